/* The browser client, as the pages of this shop use it: everything else is in client.js. */

import { createAuth, readConfig } from '../token_lifecycle/client.js';
import { event, request as record } from './timeline.js';

const config = readConfig();
export const { loginUrl } = config;

/** Sends a request, and shows it. A page of your own needs nothing of this. */
async function send(request) {
  const response = await fetch(request);
  await record(request, response);
  const refreshed = response.ok && new URL(request.url).pathname === config.refreshUrl;
  return refreshed && !early.on ? unhurried(response) : response;
}

/**
 * The client renews a token shortly before it runs out, and rarely sees a 401. To show one, it is
 * made to believe that the token lives for a day.
 */
async function unhurried(response) {
  const body = { ...(await response.json()), expires_in: 86400 };
  return new Response(JSON.stringify(body), response);
}

/** Whether tokens are renewed before they run out. */
export const early = {
  get on() {
    return localStorage.getItem('demo:early') === 'yes';
  },
  set on(value) {
    localStorage.setItem('demo:early', value ? 'yes' : 'no');
  },
};

export const auth = createAuth({ ...config, fetch: send });

export const post = (url, body = {}, options = {}) =>
  auth.fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    ...options,
  });

auth.subscribe(({ type, reason, remote }) => {
  if (type === 'refreshed' && remote) event('Takes over the new token of the other tab.', 'good');
  if (type === 'offline') event('The server cannot be reached. The session is kept.', 'warn');
  if (type === 'online') event('The server is back.', 'good');
  if (type === 'logout') {
    event(`Signed out (${reason}): to the login page.`, 'bad');
    sessionStorage.setItem('demo:ended', reason);
  }
});
