/*
 * What happens, line by line, in this tab and in the others. Kept in sessionStorage, so that it
 * outlives the way to the login page. It holds addresses and answers' codes, never a token.
 */

const KEEP = 80;
const UUID = /[0-9a-f-]{36}/;

/** What an answer means, for those who see it for the first time. */
const MEANINGS = {
  'GET /auth/csrf/': 'A CSRF cookie, for requests that change something.',
  'POST /api/password/': 'Every session but this one is ended.',
  'POST /auth/logout/': 'The session is ended and the cookie deleted.',
  'POST /auth/logout-all/': 'Every session but this one is ended.',
  'POST /auth/obtain/': 'A session begins. Its refresh token is a cookie that no script can read.',
  'POST /auth/demo/steal/': 'Nobody notices. Two people have it now.',
  'POST /auth/refresh/': 'A new access token, and a new refresh token in the cookie.',
};
const CODES = {
  token_expired: 'the access token has run out.',
  token_reused: 'this refresh token was used before, so the session is ended.',
  session_revoked: 'the session has been ended.',
  password_changed: 'the password is another one now, so the session is ended.',
  invalid_credentials: 'no such name, or not with this password.',
  throttled: 'too many tries; wait a little.',
};

const box = document.getElementById('timeline');
const list = box.querySelector('ol');
const channel = new BroadcastChannel('demo:timeline');

/** A letter for this tab, which it keeps when it goes to another page. */
const tab = sessionStorage.getItem('demo:tab') ?? nextLetter();
document.getElementById('tab-name').textContent = `tab ${tab}`;

const refused = new Set();
let entries = JSON.parse(sessionStorage.getItem('demo:timeline') ?? '[]');
entries.forEach(show);

channel.onmessage = ({ data }) => add(data);
document.getElementById('timeline-clear').addEventListener('click', () => {
  entries = [];
  list.replaceChildren();
  keep();
});

/** Somebody did something: `action('You call the API')`. */
export const action = (text) => tell({ kind: 'action', text });

/** Something came of it that is no request: `event('Signed out', 'bad')`. */
export const event = (text, tone = '') => tell({ kind: 'event', text, tone });

/** A request and its answer; `again` where the one before was refused. */
export async function request({ method, url }, response) {
  const { code } = await response.clone().json().catch(() => ({}));
  const { status } = response;
  const path = new URL(url).pathname.replace(UUID, '…');
  const again = refused.delete(path);
  if (status === 401) refused.add(path);
  tell({ kind: 'request', method, path, status, code, again });
}

function tell(news) {
  const entry = { ...news, tab, at: Date.now() };
  add(entry);
  channel.postMessage(entry);
}

function add(entry) {
  const last = entries.at(-1);
  if (last && alike(last, entry)) {
    last.count = (last.count ?? 1) + 1;
    list.lastElementChild.replaceWith(row(last));
  } else {
    entries.push(entry);
    show(entry);
  }
  keep();
}

function alike(a, b) {
  const same = (key) => a[key] === b[key];
  return b.kind === 'request' && ['tab', 'method', 'path', 'status'].every(same);
}

function keep() {
  entries = entries.slice(-KEEP);
  while (list.children.length > KEEP) list.firstElementChild.remove();
  sessionStorage.setItem('demo:timeline', JSON.stringify(entries));
}

function show(entry) {
  list.append(row(entry));
  box.scrollTop = box.scrollHeight;
}

function row(entry) {
  const item = element('li', `${entry.kind} ${entry.tone ?? tone(entry)}`);
  if (entry.kind === 'request') {
    const times = entry.count ? ` ×${entry.count}` : '';
    item.append(element('strong', '', entry.status));
    item.append(element('code', '', `${entry.method} ${entry.path}${times}`));
  }
  if (entry.tab !== tab) item.append(element('span', 'badge', `tab ${entry.tab}`));
  if (entry.kind === 'action') {
    item.append(element('time', '', new Date(entry.at).toLocaleTimeString([], { hour12: false })));
  }
  const text = entry.text ?? meaning(entry);
  if (text) item.append(element('p', '', text));
  return item;
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function tone({ status, code }) {
  if (!status || status < 400) return 'good';
  return code === 'token_expired' ? 'warn' : 'bad';
}

function meaning({ method, path, status, code, again }) {
  if (code) return [code, CODES[code]].filter(Boolean).join(': ');
  if (status >= 300) return undefined;
  return again ? 'Once more, with the new token. Nobody noticed.' : MEANINGS[`${method} ${path}`];
}

function nextLetter() {
  const number = Number(localStorage.getItem('demo:tabs') ?? 0);
  const letter = String.fromCharCode(65 + (number % 26));
  localStorage.setItem('demo:tabs', number + 1);
  sessionStorage.setItem('demo:tab', letter);
  return letter;
}
