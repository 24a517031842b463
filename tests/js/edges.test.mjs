// What other tabs, other mounts, redirects and mistakes of the page itself may not do to a session.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import {
  AuthError,
  createAuth,
} from '../../token_lifecycle/static/token_lifecycle/client.js';
import { json, jwt, ORIGIN, until, World } from './world.mjs';

const API = `${ORIGIN}/api/notes/`;
const REFRESH = '/auth/refresh/';
const LOGOUT = '/auth/logout/';
const LOGOUT_ALL = '/auth/logout-all/';

let world;

beforeEach(() => {
  world = new World();
});

afterEach(() => {
  mock.restoreAll();
  world.close();
});

const rejected = (code) => (error) => error instanceof AuthError && error.code === code;
const types = (events) => events.map(({ type }) => type);

/** Hold the next refresh; the returned function lets go of it with an answer. */
async function heldRefresh(auth) {
  let answer;
  world.routes[REFRESH] = () => new Promise((resolve) => { answer = resolve; });
  const outcome = auth.refresh().then(() => 'refreshed', ({ code }) => code);
  await until(() => answer);
  return (response) => {
    delete world.routes[REFRESH];
    answer(response);
    return outcome;
  };
}

/** While `work` runs the second tab's messages are lost, as those of a busy page are late. */
async function unheard(work) {
  const [, deaf] = world.channels;
  world.deaf.add(deaf);
  await work();
  world.deaf.delete(deaf);
}

async function twoTabs(options) {
  const first = world.signedIn(options);
  const second = world.tab(options);
  await second.auth.bootstrap();
  return [first, second];
}

describe('a redirect', () => {
  /** A fetch that was redirected: to where, and what came of it. */
  const redirected = (url) => async (request) => {
    const answer = await world.serve(request);
    return Object.defineProperties(answer, { redirected: { value: true }, url: { value: url } });
  };

  it('has had the request carried out, which is not repeated', async () => {
    const { auth } = world.signedIn({ fetch: redirected(`${ORIGIN}/api/notes/8/`) });
    world.expire();
    assert.equal((await auth.fetch(API, { method: 'POST', body: 'x' })).status, 401);
    assert.equal(world.count('/api/notes/'), 1);
    assert.equal((await auth.fetch(API, { method: 'POST', body: 'x' })).status, 200);
    world.expire();
    assert.equal((await auth.fetch(API)).status, 200, 'reading twice does no harm');
  });

  it('to another origin does not refuse our token', async () => {
    const { auth } = world.signedIn({ fetch: redirected('https://elsewhere.example/') });
    world.expire();
    assert.equal((await auth.fetch(API)).status, 401);
    assert.equal(world.requests.length, 1);
  });
});

describe('a base in the page', () => {
  it('does not lead the endpoints astray', async () => {
    document.baseURI = 'https://elsewhere.example/';
    world.globals({
      Request: class extends Request {
        constructor(input, init) {
          super(typeof input === 'string' ? new URL(input, document.baseURI) : input, init);
        }
      },
    });
    const { auth } = world.signedIn({ refreshUrl: '/auth/refresh/' });
    await auth.refresh();
    await auth.logout({ everywhere: true });
    assert.ok(world.requests.every(({ url }) => new URL(url).origin === ORIGIN));
    assert.ok(world.requests.every(({ headers }) => headers['x-csrftoken']));
  });
});

describe('two mounts on one origin', () => {
  it('do not hand each other their tokens', async () => {
    world.cookies.set('tl_hint', '1');
    const acme = world.tab({ refreshUrl: '/acme/auth/refresh/' });
    acme.auth.setToken({ access: jwt({ serial: 'acme' }), expires_in: 900 });
    world.routes['/globex/auth/refresh/'] = () => json(401, { code: 'session_expired' });
    const globex = world.tab({ refreshUrl: '/globex/auth/refresh/' });
    assert.equal(await globex.auth.bootstrap(), false);
    await delay(10);
    assert.equal(acme.auth.state, 'authenticated');
  });
});

describe('a refresh that is late', () => {
  it('does not undo a sign-out that has not been heard of', async () => {
    const [first, second] = await twoTabs();
    const land = await heldRefresh(second.auth);
    await unheard(() => first.auth.logout());
    assert.equal(await land(json(200, world.mint())), 'rejected');
    await delay(10);
    assert.equal(first.auth.state, 'anonymous');
    assert.equal(second.auth.state, 'anonymous');
    assert.deepEqual(second.left, ['remote']);
  });

  it('does not undo it in a page that is just loading either', async () => {
    const first = world.signedIn({ share: false });
    const second = world.tab();
    const land = await heldRefresh(second.auth);
    await unheard(() => first.auth.logout());
    assert.equal(await land(json(200, world.mint())), 'rejected');
    assert.equal(second.auth.state, 'anonymous');
  });

  for (const share of [true, false]) {
    it(`and refused does not end a sign-in that came meanwhile, share: ${share}`, async () => {
      const [first, second] = [world.signedIn({ share }), world.signedIn({ share })];
      await until(() => first.events.length || !share);
      const land = await heldRefresh(second.auth);
      await unheard(() => first.auth.setToken(world.mint()));
      assert.equal(await land(json(401, { code: 'session_expired' })), 'refreshed');
      await delay(10);
      assert.deepEqual([...first.left, ...second.left], []);
      assert.equal((await second.auth.fetch(API)).status, 200);
    });
  }

  it('and takes the number of a sign-out loses to it', async () => {
    const { auth, left } = world.signedIn();
    const stranger = new BroadcastChannel('tl:/auth/');
    stranger.postMessage({ type: 'logout', reason: 'user', n: 1 });
    await until(() => left.length, 'the sign-out');
    assert.equal(auth.state, 'anonymous');
    stranger.postMessage({ type: 'logout', reason: 'user', n: 1 });
    await delay(10);
    assert.deepEqual(left, ['remote']);
    stranger.close();
  });
});

describe('a storage', () => {
  it('that was cleared does not keep a sign-out from the other tabs', async () => {
    const first = world.signedIn();
    await first.auth.refresh();
    await first.auth.refresh();
    world.storage.clear();
    const second = world.tab();
    second.auth.setToken(world.mint());
    await delay(10);
    await second.auth.logout();
    await until(() => first.left.length, 'the sign-out');
    assert.deepEqual(first.left, ['remote']);
  });

  for (const nonsense of ['x', 'Infinity', '9007199254740992', '-1']) {
    it(`with nonsense in it does not keep anybody from signing in: ${nonsense}`, async () => {
      world.storage.set('tl:/auth/:gen', nonsense);
      const { auth } = world.tab();
      for (let round = 0; round < 2; round += 1) {
        auth.setToken(world.mint());
        assert.equal((await auth.fetch(API)).status, 200);
      }
      assert.equal(world.refreshed, 0);
    });
  }
});

describe('the way to the login page', () => {
  const ways = {
    bootstrap: ({ auth }) => auth.bootstrap(),
    request: ({ auth }) => auth.fetch(API, { auth: 'required' }).catch(({ code }) => code),
  };

  for (const order of [['bootstrap', 'request'], ['request', 'bootstrap']]) {
    it(`is taken once if anybody minds, whoever asked first: ${order}`, async () => {
      world.cookies.set('tl_hint', '1');
      world.routes[REFRESH] = () => json(401, { code: 'session_expired' });
      const tab = world.tab();
      await Promise.all(order.map((way) => ways[way](tab)));
      assert.deepEqual(tab.left, ['expired']);
      assert.equal(world.visited.length, 1);
      assert.equal(world.count(REFRESH), 1);
    });
  }

  it('is not owed any more once somebody has signed in', async () => {
    world.cookies.set('tl_hint', '1');
    world.routes[REFRESH] = () => json(401, { code: 'session_expired' });
    const { auth, left } = world.tab();
    assert.equal(await auth.bootstrap(), false);
    delete world.routes[REFRESH];
    auth.setToken(world.mint());
    await auth.refresh();
    assert.deepEqual(left, []);
  });

  it('is taken, and the answer returned, though onLogout throws', async () => {
    const thrown = [];
    const real = queueMicrotask;
    const caught = (task) => {
      try {
        task();
      } catch (error) {
        thrown.push(error.message);
      }
    };
    mock.method(globalThis, 'queueMicrotask', (task) => real(() => caught(task)));
    const { auth } = world.signedIn({ onLogout() { throw new Error('a mistake of the page'); } });
    world.expire();
    world.routes[REFRESH] = () => json(401, { code: 'session_expired' });
    assert.equal((await auth.fetch(API)).status, 401);
    assert.equal(world.visited.length, 1);
    assert.deepEqual(thrown, ['a mistake of the page'], 'it is reported');
  });
});

describe('an outage', () => {
  it('that a sign-out elsewhere follows ends in one event', async () => {
    const [first, second] = await twoTabs({ retries: 0 });
    world.routes[REFRESH] = () => json(503, {});
    await assert.rejects(first.auth.refresh(), rejected('unavailable'));
    world.routes[REFRESH] = () => json(401, { code: 'token_invalid' });
    await second.auth.logout();
    await until(() => first.left.length, 'the sign-out');
    window.dispatchEvent(new Event('online'));
    await delay(20);
    assert.deepEqual(first.left, ['remote']);
    assert.deepEqual(types(first.events), ['offline', 'online', 'logout']);
  });

  it('that a sign-out of our own follows ends in one event', async () => {
    const { auth, left } = world.signedIn({ retries: 0 });
    world.routes[REFRESH] = () => json(503, {});
    await assert.rejects(auth.refresh(), rejected('unavailable'));
    world.routes[REFRESH] = () => json(401, { code: 'token_invalid' });
    await auth.logout();
    window.dispatchEvent(new Event('online'));
    await delay(20);
    assert.deepEqual(left, ['user']);
  });
});

describe('signing out everywhere', () => {
  it('is refused where nobody is signed in', async () => {
    world.routes[LOGOUT_ALL] = () => json(401, { code: 'not_authenticated' });
    const { auth } = world.tab();
    await assert.rejects(auth.logout({ everywhere: true }), rejected('rejected'));
    assert.equal(world.count(LOGOUT), 0);
  });

  it('is refused where the session has ended, for the others live on', async () => {
    const { auth } = world.signedIn();
    world.routes[LOGOUT_ALL] = () => json(401, { code: 'session_revoked' });
    world.routes[REFRESH] = () => json(401, { code: 'session_revoked' });
    await assert.rejects(auth.logout({ everywhere: true }), rejected('rejected'));
    assert.equal(auth.state, 'anonymous');
  });

  it('has succeeded once the sessions are gone, whatever becomes of the cookie', async () => {
    const { auth, left } = world.signedIn();
    world.routes[LOGOUT] = () => json(503, {});
    await auth.logout({ everywhere: true });
    assert.equal(world.count(LOGOUT_ALL), 1);
    assert.equal(auth.state, 'anonymous');
    assert.deepEqual(left, ['user']);
  });
});

describe('without CSRF protection of ours', () => {
  it('a 403 is an answer like any other', async () => {
    const { auth } = world.signedIn({ csrf: false });
    world.routes[LOGOUT] = () => json(403, { code: 'csrf_failed' });
    await assert.rejects(auth.logout(), rejected('unavailable'));
    assert.equal(world.requests.length, 1);
  });
});

describe('the object', () => {
  it('does nothing after dispose, though a refresh lands late', async () => {
    const { auth } = world.signedIn({ proactive: true });
    const land = await heldRefresh(auth);
    auth.dispose();
    world.life = 0.01;
    await land(json(200, world.mint()));
    await delay(1100);
    assert.equal(world.count(REFRESH), 1);
  });

  it('does without a channel that the page may not open', () => {
    window.BroadcastChannel = class {
      constructor() {
        throw new DOMException('denied', 'SecurityError');
      }
    };
    assert.equal(createAuth().state, 'unknown');
  });
});
