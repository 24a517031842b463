/* The page itself: find out who is here, then bring each of its parts to life. */

import { auth, loginUrl } from './auth.js';
import { startDevices } from './devices.js';
import { startPassword } from './password.js';
import { startTheft } from './theft.js';
import { action, event } from './timeline.js';
import { startToken } from './token.js';

// Of a session that was refused the client has told already.
addEventListener('unhandledrejection', (failure) => {
  failure.preventDefault();
  if (failure.reason.code !== 'rejected') event('The server did not answer. Try again.', 'bad');
});

action('The page loads.');
if (await auth.bootstrap()) {
  startToken();
  startTheft();
  startPassword();
  startDevices();
  document.getElementById('who').textContent = localStorage.getItem('demo:name');
  document.getElementById('sign-out').addEventListener('click', () => {
    action('You sign out.');
    return auth.logout();
  });
  document.body.dataset.ready = true;
} else {
  event('Nobody is signed in: to the login page.');
  location.replace(loginUrl);
}
