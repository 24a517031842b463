// A browser and a server small enough to hold in one's head. Every `createAuth()` on a world is a
// tab of it: tabs share the lock, the channel, the storage and the cookies.
import { setTimeout as delay } from 'node:timers/promises';

import { createAuth } from '../../token_lifecycle/static/token_lifecycle/client.js';

export const ORIGIN = 'https://app.example';

/** Node's own knows no page that an address could be relative to. */
class PageRequest extends Request {
  constructor(input, init) {
    super(typeof input === 'string' ? new URL(input, ORIGIN) : input, init);
  }
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** An access token of the given life in seconds; `at` is the server's clock in milliseconds. */
export function jwt({ serial = 0, life = 900, at = Date.now() } = {}) {
  const iat = Math.floor(at / 1000);
  return `${encode({ alg: 'none' })}.${encode({ serial, iat, exp: iat + life })}.signature`;
}

export const json = (status, body, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers });

export const until = async (condition, what = condition) => {
  for (let turn = 0; turn < 400; turn += 1) {
    if (await condition()) return;
    await delay(5);
  }
  throw new Error(`never happened: ${what}`);
};

class FakeLocks {
  constructor() {
    this.tails = new Map();
    this.held = false;
  }

  async request(name, { ifAvailable, signal }, task) {
    if (ifAvailable && this.held) return task(null);
    while (this.held) {
      if (signal?.aborted) throw signal.reason;
      await delay(2);
    }
    this.held = true;
    try {
      return await task({ name });
    } finally {
      this.held = false;
    }
  }
}

function fakeChannel(world) {
  return class {
    constructor(name) {
      Object.assign(this, { name, open: true });
      world.channels.add(this);
    }

    postMessage(data) {
      if (!this.open) throw new Error('InvalidStateError');
      const message = structuredClone(data);
      world.messages.push(message);
      for (const other of world.channels) {
        if (other === this || other.name !== this.name || world.deaf.has(other)) continue;
        setTimeout(() => other.open && other.onmessage?.({ data: message }), 0);
      }
    }

    close() {
      this.open = false;
      world.channels.delete(this);
    }
  };
}

export class World {
  constructor() {
    this.cookies = new Map([['csrftoken', 'c5rf']]);
    this.storage = new Map();
    this.channels = new Set();
    this.deaf = new Set();
    this.messages = [];
    this.visited = [];
    this.requests = [];
    this.tabs = [];
    this.valid = 0; // the serial of the newest access token
    this.life = 900;
    this.refreshed = 0;
    this.routes = {};
    this.install();
  }

  install() {
    const world = this;
    const document = new EventTarget();
    Object.defineProperty(document, 'cookie', {
      get: () => [...world.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
    });
    document.hidden = false;
    const window = new EventTarget();
    window.BroadcastChannel = fakeChannel(this);
    this.globals({
      Request: PageRequest,
      document,
      window,
      BroadcastChannel: window.BroadcastChannel,
      location: {
        origin: ORIGIN,
        href: `${ORIGIN}/notes/7?tab=2#secret`,
        pathname: '/notes/7',
        search: '?tab=2',
        assign: (url) => world.visited.push(String(url)),
      },
      localStorage: {
        getItem: (key) => world.storage.get(key) ?? null,
        setItem: (key, value) => world.storage.set(key, String(value)),
      },
      navigator: { locks: new FakeLocks(), onLine: true },
      fetch: (input, init) => world.serve(new Request(input, init)),
    });
  }

  globals(values) {
    for (const [name, value] of Object.entries(values)) {
      Object.defineProperty(globalThis, name, { configurable: true, writable: true, value });
    }
  }

  /** A tab. `heard` and `left` collect what its listener and its `onLogout` are told. */
  tab({ signIn = false, ...options } = {}) {
    const [events, left] = [[], []];
    const auth = createAuth({
      loginUrl: '/login/',
      onLogout: (reason) => void left.push(reason),
      ...options,
    });
    if (signIn) auth.setToken(this.mint()); // heard by the other tabs, not by itself
    auth.subscribe((event) => events.push(event));
    this.tabs.push(auth);
    return { auth, events, left };
  }

  /** A tab that somebody has signed in to. */
  signedIn(options) {
    return this.tab({ ...options, signIn: true });
  }

  mint() {
    this.valid += 1;
    this.cookies.set('tl_hint', '1');
    return { access: jwt({ serial: this.valid, life: this.life }), expires_in: this.life };
  }

  /** From now on the server honours no access token that is out there. */
  expire() {
    this.valid += 1;
  }

  count(path) {
    return this.requests.filter(({ url }) => new URL(url).pathname === path).length;
  }

  async serve(request) {
    request.signal.throwIfAborted();
    const { origin, pathname } = new URL(request.url);
    const body = await request.clone().text();
    this.requests.push({
      url: request.url,
      method: request.method,
      cache: request.cache,
      credentials: request.credentials,
      headers: Object.fromEntries(request.headers),
      body,
    });
    await delay(2);
    request.signal.throwIfAborted();
    const route = this.routes[pathname] ?? this.routes[origin];
    if (route) return route(request, body);
    if (pathname === '/auth/refresh/') return this.refresh();
    if (pathname === '/auth/csrf/') {
      this.cookies.set('csrftoken', 'fresh');
      return new Response(null, { status: 204 });
    }
    if (pathname.startsWith('/auth/logout')) return new Response(null, { status: 204 });
    return this.accepts(request)
      ? json(200, { echo: body })
      : json(401, { code: 'token_expired' }, { 'WWW-Authenticate': 'Bearer' });
  }

  refresh() {
    this.refreshed += 1;
    return json(200, this.mint());
  }

  accepts(request) {
    const [, claims] = (request.headers.get('Authorization') ?? '').split('.');
    return claims && JSON.parse(Buffer.from(claims, 'base64url')).serial === this.valid;
  }

  /** What the storage event tells the other tabs. */
  tell(key) {
    const event = Object.assign(new Event('storage'), { key, newValue: this.storage.get(key) });
    window.dispatchEvent(event);
  }

  close() {
    for (const auth of this.tabs) auth.dispose();
  }
}
