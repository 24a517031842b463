/* The login page: sign in, tell the client, and go where the visitor wanted to. */

import { auth, post } from './auth.js';
import { action } from './timeline.js';

const REASONS = {
  user: 'You have signed out.',
  remote: 'You have signed out in another tab.',
  expired: 'Your session had come to its end. Please sign in again.',
  revoked: 'Your session was ended: from another device, by staff, by a new password, or because ' +
    'its refresh token was used twice. Please sign in again.',
  reuse_detected: 'Your refresh token was used twice, so somebody may have a copy of it. The ' +
    'session was ended. Please sign in again.',
};

const form = document.getElementById('login');
const button = form.querySelector('button');
const error = document.getElementById('login-error');
const ended = document.getElementById('ended');

form.device_name.value = `Browser at ${location.hostname}`;
if (sessionStorage.getItem('demo:ended')) {
  ended.textContent = REASONS[sessionStorage.getItem('demo:ended')];
  ended.hidden = false;
  sessionStorage.removeItem('demo:ended');
}

const proceed = () => location.replace(form.dataset.next);

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (button.disabled) return; // a password takes its time to be checked
  const credentials = Object.fromEntries(new FormData(form));
  action(`You sign in as ${credentials.username}.`);
  error.hidden = true;
  button.disabled = true;
  const response = await post('/auth/obtain/', credentials, { auth: false });
  const body = await response.json();
  if (response.ok) {
    localStorage.setItem('demo:name', credentials.username);
    auth.setToken(body);
    proceed();
  } else {
    error.textContent = `${body.detail} (A restart of the demo brings the password back.)`;
    error.hidden = false;
    button.disabled = false;
  }
});

if (await auth.bootstrap()) proceed();
