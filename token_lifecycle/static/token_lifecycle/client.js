/*! token_lifecycle, MIT */

/*
 * Keeps a browser signed in while access tokens come and go. The access token lives in memory, the
 * refresh token in an HttpOnly cookie that no script can read. A request refused with 401 is sent
 * again after one refresh, however many requests and tabs were refused at the same time.
 *
 * A number keeps the tabs in order. Every token gets the next number of a counter in localStorage,
 * and a tab only ever moves to a higher one. Signing out takes a number too, so a token that
 * arrives late cannot undo it. Nothing secret is stored anywhere.
 */

/** How long another tab may take to hand its token over, in milliseconds. */
const HANDOVER = 300;
/** The same while a page loads: shorter, because there may well be no other tab. */
const FIRST_HANDOVER = 100;
/** Before the first retry; doubles with each. */
const BACKOFF = 200;
/** A Retry-After beyond this is not waited for: the caller gets its answer first. */
const LONGEST_WAIT = 2000;
/** How long an unreachable server is left alone at least. */
const COOLDOWN = 5000;
/** setTimeout fires at once beyond this. */
const LONGEST_TIMER = 2 ** 31 - 1;

const SAFE_METHOD = /^(get|head|options|trace)$/i;
/** The codes with which the server refuses a refresh token, and those that mean it was revoked. */
const REFUSED = /^(token_|session_|user_inactive|password_changed)/;
const REVOKED = /revoked|inactive|changed/;

export class AuthError extends Error {
  constructor(code, response) {
    super(`Session ${code}`);
    Object.assign(this, { name: 'AuthError', code, response });
  }
}

/** The options that `{% token_lifecycle_config %}` has put into the page. */
export function readConfig(id = 'token-lifecycle-config') {
  return JSON.parse(document.getElementById(id).textContent);
}

const ignore = () => {};

/** For catch(): lets an error with this code pass, and no other. */
const unless = (code) => (error) => {
  if (error.code !== code) throw error;
};

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const originOf = (url) => new URL(url, globalThis.location?.href).origin;

function cookie(name) {
  return `; ${document.cookie}`.split(`; ${name}=`)[1]?.split(';')[0];
}

/** Read `key`, or write it. Where storage is blocked the tabs go by what they hear of each other. */
function stored(key, value) {
  try {
    if (value) localStorage.setItem(key, value);
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** The body as an object, whatever it is: no answer at all, or a proxy's error page. */
async function bodyOf(response) {
  try {
    return (await response.clone().json()) ?? {};
  } catch {
    return {};
  }
}

async function refusedBearer(response) {
  return response.status === 401 && (await bodyOf(response)).code !== 'invalid_credentials';
}

/** The claims of a token, or null where it is not a JWT. */
function decode(token) {
  try {
    // Plain ASCII: the server escapes everything else in its JSON.
    return JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
  } catch {
    return null;
  }
}

/** Wait for `promise` as long as `signal` allows. Giving up leaves the shared work alone. */
function abortable(promise, signal) {
  const aborted = new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason));
  });
  return Promise.race([promise, aborted]);
}

/** Why the refresh endpoint ended the session, or undefined where it did not. */
function refusal(status, code) {
  // Without one of our codes a 400 or 403 comes from somebody else on the way (a firewall, a
  // proxy), and says nothing about the session.
  if (status !== 401 && !REFUSED.test(code)) return undefined;
  if (code === 'token_reused') return 'reuse_detected';
  return REVOKED.test(code) ? 'revoked' : 'expired';
}

export function createAuth(options = {}) {
  const {
    refreshUrl = '/auth/refresh/',
    logoutUrl = refreshUrl.replace(/refresh\/$/, 'logout/'),
    logoutAllUrl = refreshUrl.replace(/refresh\/$/, 'logout-all/'),
    csrfUrl = refreshUrl.replace(/refresh\/$/, 'csrf/'),
    loginUrl,
    origins = [globalThis.location?.origin],
    namespace = 'tl',
    leeway = 30,
    proactive = false,
    share = true,
    refreshTimeout = 4000,
    lockTimeout = 15000,
    retries = 2,
    csrf = { cookie: 'csrftoken', header: 'X-CSRFToken' },
    hintCookie = 'tl_hint',
    isAuthFailure = refusedBearer,
    onLogout = ignore,
    // Looked up at each call, so that what wraps the global later is honoured.
    fetch: send = (...args) => globalThis.fetch(...args),
  } = options;

  const counterKey = `${namespace}:gen`;
  const logoutKey = `${namespace}:out`;
  const listeners = new Set();
  const lifetime = new AbortController();

  /** What this tab knows: a token, or a sign-out, and its number. Handed to other tabs as it is. */
  let held = { n: 0 };
  let state = 'unknown';
  let channel;
  /** The refresh under way, shared by all who need it. */
  let flight;
  /** The last answer of the refresh endpoint, if it gave one. */
  let verdict;
  /** Called when something newer has been taken over. */
  let arrived = ignore;
  let notBefore = 0;
  let offline = false;
  let leaving = false;
  let timer;

  // --- What the tab holds, and how it is shared ------------------------------------------------

  const counter = () => Math.max(held.n, stored(counterKey));

  /** Move to `next` if it is newer than what we hold. */
  function take(next) {
    if (!(next.n > held.n)) return false;
    held = next;
    state = next.token ? 'authenticated' : 'anonymous';
    schedule(next.stale);
    arrived();
    return true;
  }

  /** Number what this tab has learned, move to it, and let the other tabs know. */
  function publish(news) {
    const next = { ...news, n: counter() + 1 };
    stored(counterKey, next.n);
    take(next);
    if (share || !next.token) channel?.postMessage(next);
    // Also reaches tabs without BroadcastChannel, and those that were asleep.
    if (!next.token) stored(logoutKey, `${next.n} ${next.reason}`);
    return next;
  }

  function receive(news) {
    const { token, reason } = news;
    const concerned = token || state === 'authenticated'; // a visitor has nothing to leave
    if (token) setOffline(false);
    if (take(news) && concerned) {
      announce({ ...news, reason: reason === 'user' ? 'remote' : reason, remote: true });
    }
  }

  /** Another tab asks for something newer than number `n`; 0 is a page that has just loaded. */
  function answer(n) {
    // A new page may know better than we do that somebody has signed in since.
    const useful = held.token ? share && !due() : n;
    if (held.n > n && useful) channel.postMessage(held);
  }

  /** Wait until another tab hands over something newer than `n`, but not for long. */
  async function ask(n, patience) {
    if (!share || !channel) return;
    channel.postMessage({ ask: n });
    const handover = new Promise((resolve) => {
      arrived = resolve;
    });
    await Promise.race([handover, sleep(patience)]);
    arrived = ignore;
  }

  function announce({ type, reason, remote = false }, quiet = false) {
    // A listener that throws must not keep the others from hearing.
    for (const listener of listeners) queueMicrotask(() => listener({ type, reason, remote }));
    if (type === 'logout' && !quiet) leave(reason);
  }

  function setOffline(value) {
    if (value !== offline) announce({ type: value ? 'offline' : 'online' });
    offline = value;
  }

  /** To the login page, with the way back as a path: never a host, never the fragment. */
  function leave(reason) {
    if (onLogout(reason) === true || !loginUrl) return;
    const { origin, pathname, search } = location;
    const target = new URL(loginUrl, origin);
    if (target.origin + target.pathname === origin + pathname) return; // we are there
    if (reason !== 'user' && reason !== 'remote') {
      // Two leading slashes would be read as a host.
      target.searchParams.set('next', pathname.replace(/^\/+/, '/') + search);
    }
    location.assign(target);
  }

  // --- Time ------------------------------------------------------------------------------------

  /**
   * A token as the tabs keep it. Its life is counted from the moment it was asked for, so the
   * server's clock and ours need not agree. The times are NaN where the life is not known.
   */
  function received(type, { access, expires_in }, askedAt) {
    const claims = decode(access);
    const life = 1000 * (expires_in ?? claims?.exp - claims?.iat);
    const until = askedAt + life;
    // Of a very short life the leeway must not take the whole.
    return { type, token: access, until, stale: until - Math.min(1000 * leeway, life / 4) };
  }

  const due = (minTtl = 0) =>
    Date.now() >= held.stale || held.until - Date.now() < 1000 * minTtl;

  function schedule(at) {
    clearTimeout(timer);
    if (!proactive || !at) return;
    const wait = Math.min(Math.max(at - Date.now(), 1000), LONGEST_TIMER);
    timer = setTimeout(() => held.token && refresh().catch(ignore), wait);
  }

  // --- Requests --------------------------------------------------------------------------------

  const carry = (headers) => headers.set('Authorization', `Bearer ${held.token}`);

  /** Put on the CSRF header, its cookie read at the last moment: signing in replaces it. */
  async function guard(headers, renew) {
    if (renew || !cookie(csrf.cookie)) {
      await endpoint(csrfUrl).catch(ignore); // without it the server says no, and that is handled
    }
    const value = cookie(csrf.cookie);
    if (value) headers.set(csrf.header, value);
  }

  /**
   * Put on a request what it needs to be believed. Returns the number of the token it carries,
   * null where it is to carry none, and undefined where the request is none of our business.
   */
  async function equip({ headers, url, method, signal }, auth = true) {
    const origin = originOf(url);
    if (csrf && origin === originOf(refreshUrl) && !SAFE_METHOD.test(method)) await guard(headers);
    if (!origins.includes(origin)) return undefined;
    if (!auth || headers.has('Authorization')) return null;
    if (state === 'unknown' || due()) await abortable(current(), signal);
    if (held.token) carry(headers);
    else if (auth === 'required') {
      leave('expired');
      throw new AuthError('rejected');
    }
    return held.n;
  }

  /** Whether a request that carried token `n` deserves to be sent again with a newer one. */
  async function curable(response, n, signal) {
    if (n == null || !(await isAuthFailure(response))) return false;
    if (held.n === n && !held.token) return false; // nobody is signed in: 401 is the answer
    try {
      return await abortable(refresh(n), signal);
    } catch (error) {
      if (error instanceof AuthError) return false;
      throw error;
    }
  }

  /** Renew a CSRF token that our own endpoints have refused. */
  async function recovered(response, headers) {
    if (response.status !== 403 || (await bodyOf(response)).code !== 'csrf_failed') return false;
    await guard(headers, true);
    return true;
  }

  // What was sent and may be sent again, by the options object of the call.
  const copies = new WeakMap();

  /** In the shape that openapi-fetch calls. */
  const middleware = {
    async onRequest({ request, options: call }) {
      const n = await equip(request, call.auth);
      // Copied before it is sent, because a body can be read only once.
      if (n !== undefined && !call.once) copies.set(call, { n, copy: request.clone() });
    },
    async onResponse({ response, options: call }) {
      const { n, copy } = copies.get(call) ?? {};
      if (!copy) return undefined;
      if (await curable(response, n, copy.signal)) carry(copy.headers);
      else if (!(await recovered(response, copy.headers))) return undefined;
      response.body?.cancel().catch(ignore); // frees its connection
      return send(copy); // refused once more, it goes to the caller
    },
  };

  async function authFetch(input, { auth, ...init } = {}) {
    const request = new Request(input, init);
    // A stream cannot be kept: it is sent with a token that is not stale, and never again.
    const call = { auth, once: init.body instanceof ReadableStream };
    await middleware.onRequest({ request, options: call });
    const response = await send(request);
    return (await middleware.onResponse({ response, options: call })) ?? response;
  }

  /** The endpoints of the session itself: without a bearer, never refreshed, never for long. */
  const endpoint = (url, init) =>
    authFetch(url, {
      ...init,
      auth: false,
      cache: 'no-store',
      credentials: 'include',
      signal: AbortSignal.timeout(refreshTimeout),
    });

  const POST = {
    method: 'POST',
    credentials: 'include',
    headers: { 'Content-Type': 'application/json' },
    body: '{}',
  };

  // --- Refreshing ------------------------------------------------------------------------------

  /**
   * One refresh, tried as often as it may be: a new token, or the news that the session has ended
   * or that the server cannot be reached.
   *
   * The retries follow at once. An answer lost on the way can be had again only inside the
   * server's grace period, and after it the same cookie would look stolen.
   */
  async function exchange(n, waited) {
    // Whoever had the lock before us, or moved the counter, has what we need.
    if (held.n === n && (waited || (n && counter() > n))) await ask(n, HANDOVER);
    for (let attempt = 0; held.n === n; attempt += 1) {
      const askedAt = Date.now();
      verdict = await endpoint(refreshUrl, POST).catch(ignore);
      const body = await bodyOf(verdict);
      if (held.n !== n) break; // another tab was faster, or somebody signed out meanwhile
      // Published while we have the lock, so that the next in line need not ask the server.
      if (verdict?.ok && body.access) return publish(received('refreshed', body, askedAt));

      const last = attempt >= retries;
      const reason = refusal(verdict?.status, body.code);
      // Superseded is this one cookie, not the session: another tab has put a newer one into the
      // jar, or is about to.
      if (reason && (last || body.code !== 'token_superseded')) {
        return publish({ type: 'logout', reason: leaving ? 'user' : reason });
      }
      const wait = 1000 * verdict?.headers.get('Retry-After') || 0;
      if (last || wait > LONGEST_WAIT) return { type: 'offline', wait };
      await sleep(wait || BACKOFF * 2 ** attempt * (0.5 + Math.random()));
    }
    return {};
  }

  /**
   * An exchange in one tab at a time.
   *
   * Only the refresh itself runs inside the lock, never a page's own code, and the lock is never
   * stolen: its holder would carry on. When it does not come in time we go on without it, which
   * the server's grace period makes harmless. An exchange does not throw: what is caught here is
   * always the lock.
   */
  function exchangeInTurn(n) {
    const { locks } = navigator; // absent on plain http
    if (!locks) return exchange(n);
    const name = `${namespace}:refresh`;
    const queue = () =>
      locks.request(name, { signal: AbortSignal.timeout(lockTimeout) }, () => exchange(n, true));
    return locks
      .request(name, { ifAvailable: true }, (lock) => (lock ? exchange(n) : queue()))
      .catch(() => exchange(n, true));
  }

  async function fly(n, quiet) {
    if (Date.now() < notBefore) throw new AuthError('unavailable');
    verdict = undefined;
    if (state === 'unknown') await ask(n, FIRST_HANDOVER);
    const news = held.n === n ? await exchangeInTurn(n) : {};
    // Listeners hear of it with the lock released: what they do may take long, or refresh again.
    setOffline(news.type === 'offline');
    if (offline) {
      notBefore = Date.now() + Math.max(news.wait, COOLDOWN);
      schedule(notBefore);
      throw new AuthError('unavailable', verdict);
    }
    if (news.type) announce(news, quiet);
    if (!held.token) throw new AuthError('rejected', verdict);
    return held.token;
  }

  /**
   * Something newer than number `n`, by one refresh for all who ask. `quiet` keeps a refusal from
   * sending the page to the login page.
   */
  async function refresh(n = held.n, quiet = false) {
    if (held.n === n) {
      flight ??= fly(n, quiet).finally(() => {
        flight = null;
      });
      return flight;
    }
    if (!held.token) throw new AuthError('rejected');
    return held.token;
  }

  /**
   * The token to send now, or undefined for a visitor who is not signed in. The hint spares mere
   * visitors a refresh on every page.
   */
  async function current(minTtl, quiet) {
    if (state === 'unknown') {
      if (!hintCookie || cookie(hintCookie)) await refresh(held.n, quiet);
      else state = 'anonymous';
    } else if (held.token && due(minTtl)) {
      // The server may still honour what we have; if not, its 401 tells.
      await refresh().catch(unless('unavailable'));
    }
    return held.token;
  }

  // --- Signing in and out ----------------------------------------------------------------------

  function setToken(news) {
    const body = news.access ? news : { access: news };
    announce(publish(received('login', body, Date.now())));
  }

  async function logout({ everywhere = false } = {}) {
    // The server is told first. If it cannot be reached nobody has been signed out, and the page
    // can say so; dropping the token alone would look like a sign-out and be none.
    leaving = true;
    try {
      if (everywhere) await confirmed(authFetch(logoutAllUrl, POST));
      await confirmed(endpoint(logoutUrl, POST)); // deletes the cookie
    } finally {
      leaving = false;
    }
    if (state !== 'anonymous') announce(publish({ type: 'logout', reason: 'user' }));
  }

  async function confirmed(request) {
    const response = await request.catch(ignore);
    if (!response?.ok) throw new AuthError('unavailable', response);
  }

  async function bootstrap() {
    if (!held.token) state = 'unknown';
    await current(0, true).catch(unless('rejected'));
    return Boolean(held.token);
  }

  async function getToken(minTtl) {
    const token = await current(minTtl);
    if (!token) throw new AuthError('rejected');
    return token;
  }

  // --- axios -----------------------------------------------------------------------------------

  function attachAxios(instance) {
    // The same defaults without the interceptors: a replay must not pass through them twice.
    const bare = instance.create();
    const number = Symbol(); // of the token; stays with a config that others copy

    async function onRequest(config) {
      config[number] = await equip({ ...config, url: instance.getUri(config) });
      return config;
    }

    const onAnswer = (pass) => async (answer) => {
      const { config, data, headers, status } = answer.response ?? answer; // an error or not
      if (status >= 400) {
        const response = new Response(JSON.stringify(data), { headers, status });
        if (await curable(response, config[number], config.signal)) {
          carry(config.headers);
          // Its data was transformed the first time.
          return bare.request({ ...config, transformRequest: [] });
        }
      }
      return pass(answer);
    };

    const { request, response } = instance.interceptors;
    const requestId = request.use(onRequest);
    const responseId = response.use(
      onAnswer((answer) => answer),
      onAnswer((error) => Promise.reject(error)),
    );
    return () => {
      request.eject(requestId);
      response.eject(responseId);
    };
  }

  // --- Waking up -------------------------------------------------------------------------------

  /** A sign-out as another tab has written it down. */
  function heed(stamp) {
    const [n, reason] = (stamp ?? '').split(' ');
    if (held.token) receive({ type: 'logout', reason, n: Number(n) });
  }

  /** After sleep, the back button or an outage: messages were missed, timers were late. */
  function catchUp() {
    heed(stored(logoutKey));
    if (offline || (held.token && due())) refresh().catch(ignore);
  }

  function listen() {
    const on = (target, type, react) =>
      target.addEventListener(type, react, { signal: lifetime.signal });
    on(document, 'visibilitychange', () => document.hidden || catchUp());
    on(window, 'pageshow', catchUp);
    on(window, 'online', () => {
      notBefore = 0;
      catchUp();
    });
    on(window, 'storage', ({ key, newValue }) => key === logoutKey && heed(newValue));
    if (!window.BroadcastChannel) return;
    channel = new BroadcastChannel(namespace);
    channel.onmessage = ({ data }) => ('ask' in data ? answer(data.ask) : receive(data));
  }

  function dispose() {
    lifetime.abort();
    clearTimeout(timer);
    channel?.close();
    channel = null;
    listeners.clear();
  }

  if (globalThis.document) listen(); // not where a server renders the page

  return {
    fetch: authFetch,
    axios: attachAxios,
    middleware,
    getToken,
    setToken,
    bootstrap,
    refresh: () => refresh(),
    logout,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get state() {
      return state;
    },
    get expiresAt() {
      return held.until || null;
    },
    get claims() {
      return held.token ? decode(held.token) : null;
    },
    dispose,
  };
}
