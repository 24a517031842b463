/* A new password: this device stays, the others go. */

import { post } from './auth.js';
import { showDevices } from './devices.js';
import { action } from './timeline.js';

const form = document.getElementById('password');
const answer = document.getElementById('password-answer');

export function startPassword() {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    action('You change the password.');
    const response = await post('/api/password/', Object.fromEntries(new FormData(form)));
    if (response.ok) {
      form.old_password.value = form.new_password.value;
      form.new_password.value = '';
      say(true, 'Changed. All other devices are signed out.');
    } else {
      say(false, Object.values(await response.json()).flat().join(' '));
    }
    await showDevices();
  });
}

function say(good, text) {
  answer.hidden = false;
  answer.className = good ? 'notice good' : 'notice bad';
  answer.textContent = text;
}
