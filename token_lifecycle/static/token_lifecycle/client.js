/*! MIT */

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
/** However long a server, or a proxy, asks to be left alone. */
const LONGEST_PAUSE = 300000;
/** How often a proactive client looks at the time: one long timer would be late after sleep. */
const TICK = 1000;

/** An empty JSON object, for an endpoint that needs no more than its cookie. */
const POST = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' };

const SAFE_METHOD = /^(get|head|options)$/i; // no page can send a TRACE
/** The codes with which the server refuses a token, and those that mean that it was revoked. */
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

/** For catch(): lets an error with one of these codes pass, and no other. */
const unless = (...codes) => (error) => {
  if (!codes.includes(error.code)) throw error;
};

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Whatever <base> the page has: an address of ours must not follow one that was injected. */
const resolve = (url, base = globalThis.location?.href) => new URL(url, base);

const cookie = (name) => {
  return `; ${document.cookie}`.split(`; ${name}=`)[1]?.split(';')[0];
};

/** Read `key`, or write it. Where storage is blocked the tabs go by what they hear of each other. */
const stored = (key, value) => {
  try {
    if (value) localStorage.setItem(key, value);
    return localStorage.getItem(key);
  } catch {} // nothing is stored
};

/** The body as an object, whatever it is: no answer at all, or a proxy's error page. */
const bodyOf = async (response) => {
  try {
    return (await response.clone().json()) ?? {};
  } catch {
    return {};
  }
};

/** The claims of a token, or null where it is not a JWT. */
const decode = (token) => {
  try {
    // Plain ASCII: the server escapes everything else in its JSON.
    return JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
  } catch {
    return null;
  }
};

/** Wait for `promise` as long as `signal` allows. Giving up leaves the shared work alone. */
const abortable = (promise, signal) => {
  return new Promise((done, reject) => {
    promise.then(done, reject);
    signal?.addEventListener('abort', () => reject(signal.reason));
  });
};

/** Why the refresh endpoint ended the session, or undefined where it did not. */
const refusal = (status, code) => {
  // Without a code a 401, without one of ours a 400 or 403, comes from somebody else on the way
  // (a firewall, a proxy), and says nothing about the session.
  if (!code || (status !== 401 && !REFUSED.test(code))) return undefined;
  if (code === 'token_reused') return 'reuse_detected';
  return REVOKED.test(code) ? 'revoked' : 'expired';
};

export function createAuth(options = {}) {
  const { refreshUrl = '/auth/refresh/' } = options;
  const mount = refreshUrl.replace(/refresh\/$/, '');
  const {
    logoutUrl = `${mount}logout/`,
    logoutAllUrl = `${mount}logout-all/`,
    csrfUrl = `${mount}csrf/`,
    loginUrl,
    origins = [globalThis.location?.origin],
    namespace = `tl:${mount}`,
    leeway = 30,
    proactive = false,
    share = true,
    refreshTimeout = 4000,
    lockTimeout = 15000,
    retries = 2,
    csrf = { cookie: 'csrftoken', header: 'X-CSRFToken' },
    hintCookie = 'tl_hint',
    // A 401 with a code of another kind is about something else: a password, a one-time code.
    isAuthFailure = async (response) =>
      response.status === 401 && REFUSED.test((await bodyOf(response)).code ?? 'token_'),
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
  /** Whether this page has found out if somebody is signed in. */
  let known = false;
  let channel;
  /** The refresh under way, shared by all who need it. */
  let flight;
  /** The last answer of the refresh endpoint, if it gave one. */
  let verdict;
  /** Called when something newer has been taken over. */
  let arrived = ignore;
  /** By performance.now(), which nobody sets back. */
  let notBefore = 0;
  let offline = false;
  let leaving = false;
  /** Why the session ended, while nobody who minds has heard of it. */
  let owed;
  let timer;

  // --- What the tab holds, and how it is shared ------------------------------------------------

  /** The highest number so far. A page may have cleared the storage, or filled it with nonsense. */
  const counter = () => {
    const n = stored(counterKey) >>> 0;
    if (n < held.n) stored(counterKey, held.n);
    return Math.max(n, held.n);
  };

  /**
   * Move to `next` if it is newer than what we hold. Two tabs can take the same number where their
   * storage is not in step yet; then the sign-out counts.
   */
  const take = (next) => {
    if (!(next.n > held.n - !next.token)) return false;
    held = next;
    owed = '';
    known = true;
    arrived();
    return true;
  };

  /** Number what this tab has learned, move to it, and let the other tabs know. */
  const publish = (news) => {
    const next = { ...news, n: counter() + 1 };
    stored(counterKey, next.n);
    take(next);
    if (share || !next.token) channel?.postMessage(next);
    // Also reaches tabs without BroadcastChannel, and those that were asleep.
    if (!next.token) stored(logoutKey, `${next.n} ${next.reason}`);
    return next;
  };

  const receive = (news) => {
    const reason = news.reason === 'user' ? 'remote' : news.reason;
    const concerned = news.token || held.token; // a visitor has nothing to leave
    if (take(news) && concerned) {
      announce({ ...news, reason, remote: true });
      if (!news.token) leave(reason);
    }
  };

  /** Another tab asks for something newer than number `n`; 0 is a page that has just loaded. */
  const answer = (n) => {
    // A new page may know better than we do that somebody has signed in since.
    const useful = held.token ? share && !due() : n;
    if (held.n > n && useful) channel.postMessage(held);
  };

  /** Wait until another tab hands over something newer than `n`, but not for long. */
  const ask = async (n, patience) => {
    if (!share || !channel) return;
    channel.postMessage({ ask: n });
    await new Promise((done) => {
      arrived = done;
      setTimeout(done, patience);
    });
  };

  const announce = ({ type, reason, remote = false }) => {
    if (type !== 'offline') setOffline(false); // all other news came from the server
    // A listener that throws must not keep the others from hearing.
    for (const listener of listeners) queueMicrotask(() => listener({ type, reason, remote }));
  };

  const setOffline = (value) => {
    notBefore = 0;
    if (value === offline) return;
    offline = value;
    announce({ type: value ? 'offline' : 'online' });
  };

  /** To the login page, with the way back as a path: never a host, never the fragment. */
  const leave = (reason) => {
    try {
      if (onLogout(reason) === true) return;
    } catch (error) {
      queueMicrotask(() => { throw error; }); // reported, and no reason to stay
    }
    if (!loginUrl) return;
    const { origin, pathname, search } = location;
    const target = resolve(loginUrl);
    if (target.origin + target.pathname === origin + pathname) return; // we are there
    if (!/user|remote/.test(reason)) {
      // Two leading slashes would be read as a host.
      target.searchParams.set('next', pathname.replace(/^\/+/, '/') + search);
    }
    location.assign(target);
  };

  // --- Time ------------------------------------------------------------------------------------

  /**
   * A token as the tabs keep it. Its life is counted from the moment it was asked for, so the
   * server's clock and ours need not agree. The times are NaN where the life is not known.
   */
  const received = (type, { access, expires_in }, askedAt) => {
    const claims = decode(access);
    const life = 1000 * (expires_in ?? claims?.exp - claims?.iat);
    const until = askedAt + life;
    // Of a very short life the leeway must not take the whole.
    return { type, token: access, until, stale: until - Math.min(1000 * leeway, life / 4) };
  };

  const due = (minTtl) =>
    Date.now() >= held.stale || Date.now() > held.until - 1000 * minTtl;

  // --- Requests --------------------------------------------------------------------------------

  const carry = (headers) => headers.set('Authorization', `Bearer ${held.token}`);

  /** Put on the CSRF header, its cookie read at the last moment: signing in replaces it. */
  const guard = async (headers, renew) => {
    if (renew || !cookie(csrf.cookie)) {
      await endpoint(csrfUrl, false, {}); // without it the server says no, and that is handled
    }
    const value = cookie(csrf.cookie);
    if (value) headers.set(csrf.header, value);
  };

  const ours = (url) => origins.includes(resolve(url).origin);

  /**
   * Put on a request what it needs to be believed. Returns the number of the token it carries,
   * null where it is to carry none, and undefined where the request is none of our business.
   */
  const equip = async ({ headers, url, method, signal }, auth = true) => {
    if (csrf && resolve(url).origin === resolve(refreshUrl).origin && !SAFE_METHOD.test(method)) {
      await guard(headers);
    }
    if (!ours(url)) return undefined;
    if (!auth || headers.has('Authorization')) return null;
    if (!known || due()) await abortable(current(), signal);
    if (held.token) carry(headers);
    else if (auth === 'required') {
      leave('expired');
      throw new AuthError('rejected');
    }
    return held.n;
  };

  /**
   * Whether to send a request again, with the headers that this has renewed. `from` is the address
   * that has answered, where a redirect has led to it.
   */
  const mended = async (response, { n, once, request } = {}, from) => {
    if (n === undefined || (from && !ours(from))) return false;
    const { headers, method, signal } = request;
    // What was redirected has been carried out. The next request has a new token all the same.
    const repeatable = !once && (!from || SAFE_METHOD.test(method));
    if (csrf && response.status === 403 && (await bodyOf(response)).code === 'csrf_failed') {
      await guard(headers, true);
      return repeatable;
    }
    if (n === null || !(await isAuthFailure(response))) return false;
    if (held.n === n && !held.token) return false; // nobody is signed in: 401 is the answer
    const token = await abortable(refresh(n), signal).catch(unless('rejected', 'unavailable'));
    if (token) carry(headers);
    return token && repeatable;
  };

  // What was sent and may be sent again, by the options object of the call.
  const calls = new WeakMap();

  /** In the shape that openapi-fetch calls. */
  const middleware = {
    async onRequest({ request, options: call }) {
      const n = await equip(request, call.auth);
      if (n === undefined) return;
      // Copied before it is sent, because a body can be read only once.
      calls.set(call, { n, once: call.once, request: call.once ? request : request.clone() });
    },
    async onResponse({ response, options: call }) {
      const sent = calls.get(call);
      if (!(await mended(response, sent, response.redirected && response.url))) return undefined;
      response.body?.cancel().catch(ignore); // frees its connection
      return send(sent.request); // refused once more, it goes to the caller
    },
  };

  const authFetch = async (input, init) => {
    const request = new Request(input, init);
    // A stream cannot be kept: it is sent with a token that is not stale, and never again.
    const call = { auth: init?.auth, once: init?.body instanceof ReadableStream };
    await middleware.onRequest({ request, options: call });
    const response = await send(request);
    return (await middleware.onResponse({ response, options: call })) ?? response;
  };

  /** The endpoints of the session itself: never for long. Undefined where no answer came. */
  const endpoint = (url, auth = false, init = POST) =>
    authFetch(resolve(url), {
      ...init,
      auth,
      cache: 'no-store',
      credentials: 'include',
      signal: AbortSignal.timeout(refreshTimeout),
    }).catch(ignore);

  // --- Refreshing ------------------------------------------------------------------------------

  /**
   * One refresh, tried as often as it may be: a new token, or the news that the session has ended
   * or that the server cannot be reached.
   *
   * The retries follow at once. An answer lost on the way can be had again only inside the
   * server's grace period, and after it the same cookie would look stolen.
   */
  const exchange = async (n, waited) => {
    // Whoever had the lock before us, or moved the counter, has what we need.
    if (held.n === n && (waited || (n && counter() > n))) await ask(n, HANDOVER);
    for (let attempt = 0; held.n === n; attempt += 1) {
      const askedAt = Date.now();
      const seen = counter();
      verdict = await endpoint(refreshUrl);
      const body = await bodyOf(verdict);
      // Whoever signed in or out meanwhile comes first, also where the message has yet to come.
      const overtaken = counter() > seen;
      if (overtaken) await ask(n, HANDOVER);
      heed(seen);
      if (held.n !== n) break;
      // Published while we have the lock, so that the next in line need not ask the server.
      if (verdict?.ok && body.access) return publish(received('refreshed', body, askedAt));

      const last = attempt >= retries;
      const reason = refusal(verdict?.status, body.code);
      // Superseded is this one cookie, not the session: another tab has put a newer one into the
      // jar, or is about to.
      if (reason && !overtaken && (last || body.code !== 'token_superseded')) {
        return publish({ type: 'logout', reason: leaving ? 'user' : reason });
      }
      const wait = 1000 * verdict?.headers.get('Retry-After') || 0;
      if (last || wait > LONGEST_WAIT) return { type: 'offline', wait };
      await sleep(wait || BACKOFF * 2 ** attempt * (0.5 + Math.random()));
    }
    return {};
  };

  /**
   * An exchange in one tab at a time.
   *
   * Only the refresh itself runs inside the lock, never a page's own code, and the lock is never
   * stolen: its holder would carry on. When it does not come in time we go on without it, which
   * the server's grace period makes harmless. An exchange does not throw: what is caught here is
   * always the lock.
   */
  const exchangeInTurn = (n) => {
    const { locks } = navigator; // absent on plain http
    if (!locks) return exchange(n);
    const name = `${namespace}:refresh`;
    const queue = () =>
      locks.request(name, { signal: AbortSignal.timeout(lockTimeout) }, () => exchange(n, true));
    return locks
      .request(name, { ifAvailable: true }, (lock) => (lock ? exchange(n) : queue()))
      .catch(() => exchange(n, true));
  };

  const fly = async (n) => {
    if (performance.now() < notBefore) throw new AuthError('unavailable');
    verdict = undefined;
    if (!known) await ask(n, FIRST_HANDOVER);
    const news = await exchangeInTurn(n);
    // Listeners hear of it with the lock released: what they do may take long, or refresh again.
    setOffline(news.type === 'offline');
    if (offline) {
      notBefore = performance.now() + Math.min(Math.max(news.wait, COOLDOWN), LONGEST_PAUSE);
      throw new AuthError('unavailable', verdict);
    }
    if (news.type) announce(news);
    owed = news.reason;
    if (!held.token) throw new AuthError('rejected', verdict);
  };

  /**
   * Something newer than number `n`, by one refresh for all who ask. A refusal sends the page to
   * the login page as soon as one of them is not `quiet`.
   */
  const refresh = async (n = held.n, quiet) => {
    try {
      // Again where the flight was for an older token.
      while (held.n === n) {
        flight ??= fly(n).finally(() => {
          flight = null;
        });
        await flight;
      }
      if (!held.token) throw new AuthError('rejected');
      return held.token;
    } finally {
      if (owed && !quiet) owed = leave(owed);
    }
  };

  /**
   * The token to send now, or undefined for a visitor who is not signed in. The hint spares mere
   * visitors a refresh on every page.
   */
  const current = async (minTtl, quiet) => {
    if (!known) {
      if (!hintCookie || cookie(hintCookie)) await refresh(held.n, quiet);
      else known = true;
    } else if (held.token && due(minTtl)) {
      // The server may still honour what we have; if not, its 401 tells.
      await refresh().catch(unless('unavailable'));
    }
    return held.token;
  };

  // --- Signing in and out ----------------------------------------------------------------------

  const setToken = (news) => {
    const body = news.access ? news : { access: news };
    announce(publish(received('login', body, Date.now())));
  };

  const logout = async ({ everywhere } = {}) => {
    // The server is told first. If it cannot be reached nobody has been signed out, and the page
    // can say so; dropping the token alone would look like a sign-out and be none.
    leaving = true;
    try {
      const told = await endpoint(everywhere ? logoutAllUrl : logoutUrl, everywhere);
      if (!told?.ok) throw new AuthError(told?.status === 401 ? 'rejected' : 'unavailable', told);
      if (everywhere) await endpoint(logoutUrl); // deletes the cookie, on which nothing depends
    } finally {
      leaving = false;
    }
    if (known && !held.token) return;
    const reason = 'user';
    announce(publish({ type: 'logout', reason }));
    leave(reason);
  };

  const bootstrap = async () => {
    if (!held.token) known = false;
    await current(0, true).catch(unless('rejected'));
    return Boolean(held.token);
  };

  const getToken = async (minTtl) => {
    const token = await current(minTtl);
    if (!token) throw new AuthError('rejected');
    return token;
  };

  // --- axios -----------------------------------------------------------------------------------

  const attachAxios = (instance) => {
    // The same defaults without the interceptors: a replay must not pass through them twice.
    const bare = instance.create();
    const key = Symbol(); // of what was sent; stays with a config that others copy

    const onRequest = async (config) => {
      // As the browser will understand it.
      const url = resolve(instance.getUri(config), globalThis.document?.baseURI).href;
      config[key] = { n: await equip({ ...config, url }), url };
      return config;
    };

    const onAnswer = async (answer, failed) => {
      const { config, data, headers, request, status } = answer.response ?? answer;
      const sent = config?.[key];
      if (sent && status >= 400) {
        const text = typeof data === 'string' ? data : JSON.stringify(data);
        const response = new Response(text, { headers, status });
        const from = request?.responseURL;
        const redirected = from !== sent.url && from;
        if (await mended(response, { ...sent, request: config }, redirected)) {
          // Its data was transformed the first time.
          return bare.request({ ...config, transformRequest: [] });
        }
      }
      if (failed) throw answer;
      return answer;
    };

    const { request, response } = instance.interceptors;
    const requestId = request.use(onRequest);
    const responseId = response.use(onAnswer, (error) => onAnswer(error, true));
    return () => {
      request.eject(requestId);
      response.eject(responseId);
    };
  };

  // --- Waking up -------------------------------------------------------------------------------

  /** A sign-out as another tab has written it down. A page that has just loaded minds new ones. */
  const heed = (seen) => {
    const [n, reason] = `${stored(logoutKey)}`.split(' ');
    if (held.token || n > seen) receive({ type: 'logout', reason, n: +n });
  };

  const keepUp = () => {
    if ((held.token || !known) && (offline || due())) refresh().catch(ignore);
  };

  /** After sleep, the back button or an outage: messages were missed, timers were late. */
  const wake = ({ type }) => {
    heed();
    if (type === 'storage' || document.hidden) return;
    if (type === 'online') notBefore = 0;
    keepUp();
  };

  const listen = () => {
    for (const type of ['visibilitychange', 'pageshow', 'online', 'storage']) {
      window.addEventListener(type, wake, { signal: lifetime.signal });
    }
    if (proactive) timer = setInterval(keepUp, TICK);
    try {
      channel = new window.BroadcastChannel(namespace);
    } catch {
      return; // there is none, or this page may not use it: the storage is left
    }
    channel.onmessage = ({ data }) => {
      counter(); // that of whoever cleared the storage is too low to be heeded
      if ('ask' in data) answer(data.ask);
      else receive(data);
    };
  };

  const dispose = () => {
    lifetime.abort();
    clearInterval(timer);
    channel?.close();
    channel = null;
    listeners.clear();
  };

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
      if (held.token) return 'authenticated';
      return known ? 'anonymous' : 'unknown';
    },
    get expiresAt() {
      return held.until || null;
    },
    get claims() {
      return decode(held.token);
    },
    dispose,
  };
}
