/* My devices: one line for each session, with this one marked. */

import { auth, post } from './auth.js';
import { action } from './timeline.js';

const list = document.getElementById('devices');
const title = document.getElementById('devices-title');
const template = document.getElementById('device');
const others = document.getElementById('end-others');
const status = document.getElementById('status');

export function startDevices() {
  others.addEventListener('click', endOthers);
  // Whoever comes back to this tab wants to see what is true now.
  document.addEventListener('visibilitychange', () => document.hidden || showDevices());
  const other = document.getElementById('other-device');
  other.href = location.href.replace(location.hostname, otherName());
  showDevices();
}

/** Browsers keep the cookies of these two apart. */
const otherName = () => (location.hostname === 'localhost' ? '127.0.0.1' : 'localhost');

export async function showDevices() {
  const response = await auth.fetch('/auth/sessions/');
  if (!response.ok) return;
  const { results } = await response.json();
  list.replaceChildren(...results.map(line));
  others.disabled = results.length < 2;
}

function line(session) {
  const item = template.content.cloneNode(true);
  const name = session.device_name || session.user_agent || 'Unknown device';
  const button = item.querySelector('button');
  item.querySelector('strong').textContent = name;
  item.querySelector('small').textContent =
    `${session.ip_address} · signed in ${ago(session.created_at)}` +
    ` · last used ${ago(session.last_used_at)}`;
  item.querySelector(session.current ? 'button' : '.badge').remove();
  button.setAttribute('aria-label', `End ${name}`);
  button.addEventListener('click', () => end(session.id, name));
  return item;
}

async function end(id, name) {
  action(`You end “${name}”.`);
  const response = await auth.fetch(`/auth/sessions/${id}/`, { method: 'DELETE' });
  await shown(response.ok ? `“${name}” is signed out.` : `“${name}” could not be signed out.`);
}

async function endOthers() {
  action('You end all other sessions.');
  const response = await post('/auth/logout-all/', { keep_current: true });
  if (!response.ok) return;
  const { revoked } = await response.json();
  await shown(`${revoked} other sessions are signed out.`);
}

async function shown(text) {
  await showDevices();
  status.textContent = text;
  title.focus(); // the button that had the focus is gone
}

function ago(time) {
  const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
  const minutes = Math.round((new Date(time) - Date.now()) / 60000);
  if (minutes > -60) return minutes ? format.format(minutes, 'minute') : 'just now';
  const hours = Math.round(minutes / 60);
  return hours > -24 ? format.format(hours, 'hour') : format.format(Math.round(hours / 24), 'day');
}
