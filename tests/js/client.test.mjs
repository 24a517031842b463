import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import {
  AuthError,
  createAuth,
  readConfig,
} from '../../token_lifecycle/static/token_lifecycle/client.js';
import { json, jwt, ORIGIN, until, World } from './world.mjs';

const API = `${ORIGIN}/api/notes/`;
const REFRESH = '/auth/refresh/';

let world;

beforeEach(() => {
  world = new World();
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
  world.close();
});

const rejected = (code) => (error) => error instanceof AuthError && error.code === code;
/** The clock that nobody can set is that many seconds ahead. */
const passes = (seconds) => {
  mock.restoreAll();
  const now = performance.now() + 1000 * seconds;
  mock.method(performance, 'now', () => now);
};
const times = (n, make) => Promise.all(Array.from({ length: n }, make));
const statuses = (answers) => answers.map(({ status }) => status);

describe('a request', () => {
  it('carries the token and is sent once', async () => {
    const { auth } = world.signedIn();
    const answer = await auth.fetch(API);
    assert.equal(answer.status, 200);
    assert.equal(world.requests.length, 1);
    assert.match(world.requests[0].headers.authorization, /^Bearer ey/);
  });

  it('refused with 401 is sent again after one refresh', async () => {
    const { auth } = world.signedIn();
    world.expire();
    assert.equal((await auth.fetch(API)).status, 200);
    assert.equal(world.refreshed, 1);
    assert.equal(world.count('/api/notes/'), 2);
  });

  it('shares the refresh with nine others', async () => {
    const { auth, events } = world.signedIn();
    world.expire();
    const answers = await times(10, () => auth.fetch(API));
    assert.deepEqual(statuses(answers), Array(10).fill(200));
    assert.equal(world.refreshed, 1);
    assert.deepEqual(events, [{ type: 'refreshed', reason: undefined, remote: false }]);
  });

  it('that is refused again goes to the caller, and nobody is signed out', async () => {
    const { auth, left } = world.signedIn();
    world.routes['/api/notes/'] = () => json(401, { detail: 'always' });
    const answer = await auth.fetch(API);
    assert.deepEqual(await answer.json(), { detail: 'always' });
    assert.equal(world.refreshed, 1);
    assert.equal(auth.state, 'authenticated');
    assert.deepEqual(left, []);
  });

  for (const code of ['invalid_credentials', 'otp_invalid', 'moon']) {
    it(`is sent once, and nothing refreshed, where a 401 is about something else: ${code}`, async () => {
      const { auth } = world.signedIn();
      world.routes['/api/otp/'] = () => json(401, { code });
      const answer = await auth.fetch(`${ORIGIN}/api/otp/`, { method: 'POST', body: '{}' });
      assert.deepEqual(await answer.json(), { code });
      assert.equal(world.requests.length, 1);
    });
  }

  for (const code of ['token_expired', 'token_invalid', 'token_not_valid', 'session_revoked', 'user_inactive']) {
    it(`is cured where the token was refused: ${code}`, async () => {
      const { auth } = world.signedIn();
      world.routes['/api/notes/'] = (request) =>
        world.accepts(request) ? json(200, {}) : json(401, { code });
      world.expire();
      assert.equal((await auth.fetch(API)).status, 200);
    });
  }

  it('is judged by isAuthFailure', async () => {
    const { auth } = world.signedIn({ isAuthFailure: ({ status }) => status === 419 });
    world.routes['/api/notes/'] = (request) =>
      world.accepts(request) ? json(200, {}) : json(419, {});
    world.expire();
    assert.equal((await auth.fetch(API)).status, 200);
  });

  for (const [name, body] of Object.entries({
    text: 'a note',
    'a form': Object.assign(new FormData()),
    bytes: new Uint8Array([97, 98]),
    parameters: new URLSearchParams({ a: '1' }),
    'a blob': new Blob(['blob']),
  })) {
    it(`is replayed with its body: ${name}`, async () => {
      if (body instanceof FormData) body.set('file', new Blob(['content']), 'name.txt');
      const { auth } = world.signedIn();
      world.expire();
      assert.equal((await auth.fetch(API, { method: 'POST', body })).status, 200);
      const [first, , second] = world.requests;
      assert.notEqual(first.body, '');
      assert.equal(second.body, first.body);
      assert.equal(second.headers['content-type'], first.headers['content-type']);
      assert.equal(second.method, 'POST');
    });
  }

  it('made of a Request object is replayed with its body', async () => {
    const { auth } = world.signedIn();
    world.expire();
    const request = new Request(API, { method: 'PUT', body: 'once', headers: { 'X-Kept': 'yes' } });
    assert.deepEqual(await (await auth.fetch(request)).json(), { echo: 'once' });
    assert.equal(world.requests.at(-1).headers['x-kept'], 'yes');
  });

  it('with a stream is sent once, with a token that is not stale', async () => {
    world.life = 0.01;
    const { auth } = world.signedIn();
    world.life = 900;
    const stream = () => new Blob(['streamed']).stream();
    const init = { method: 'POST', duplex: 'half' };
    await until(() => auth.expiresAt < Date.now());
    assert.equal((await auth.fetch(API, { ...init, body: stream() })).status, 200);
    assert.equal(world.refreshed, 1);
    world.expire();
    const sent = world.count('/api/notes/');
    assert.equal((await auth.fetch(API, { ...init, body: stream() })).status, 401);
    assert.equal(world.count('/api/notes/'), sent + 1);
    assert.equal(world.refreshed, 2, 'the next one has a token that is good');
    assert.equal((await auth.fetch(API, { ...init, body: stream() })).status, 200);
  });

  it('takes a Request or null for its second argument, as fetch does', async () => {
    const { auth } = world.signedIn();
    const init = new Request(API, { method: 'PUT', body: 'b', headers: { 'X-Kept': 'yes' } });
    assert.equal((await auth.fetch(API, init)).status, 200);
    assert.equal(world.requests[0].method, 'PUT');
    assert.equal(world.requests[0].body, 'b');
    assert.equal(world.requests[0].headers['x-kept'], 'yes');
    assert.equal((await auth.fetch(API, null)).status, 200);
  });

  it('to another origin is left alone', async () => {
    const { auth } = world.signedIn();
    world.routes['https://elsewhere.example'] = () => json(401, {});
    const answer = await auth.fetch('https://elsewhere.example/', { method: 'POST', body: 'x' });
    assert.equal(answer.status, 401);
    assert.deepEqual(Object.keys(world.requests[0].headers), ['content-type']);
    assert.equal(world.requests.length, 1);
  });

  it('to a named origin is signed in', async () => {
    const { auth } = world.signedIn({ origins: ['https://api.example'] });
    await auth.fetch('https://api.example/');
    await auth.fetch(API);
    assert.ok(world.requests[0].headers.authorization);
    assert.equal(world.requests[0].headers['x-csrftoken'], undefined);
    assert.equal(world.requests[1].headers.authorization, undefined);
  });

  it('that brings its own Authorization keeps it', async () => {
    const { auth } = world.signedIn();
    const answer = await auth.fetch(API, { headers: { Authorization: 'Basic eDp5' } });
    assert.equal(answer.status, 401);
    assert.equal(world.requests[0].headers.authorization, 'Basic eDp5');
    assert.equal(world.refreshed, 0);
  });

  it('with auth: false goes without a token', async () => {
    const { auth } = world.signedIn();
    assert.equal((await auth.fetch(API, { auth: false })).status, 401);
    assert.equal(world.requests.length, 1);
    assert.equal(world.requests[0].headers.authorization, undefined);
  });

  it('given up while it waits leaves the others to finish', async () => {
    for (const life of [900, 0.01]) {
      world.life = life; // refreshed after a refusal, or before it is sent
      const { auth } = world.signedIn();
      world.life = 900;
      world.expire();
      await until(() => life > 1 || auth.expiresAt < Date.now());
      let answer;
      world.routes[REFRESH] = () => new Promise((resolve) => { answer = resolve; });
      const controller = new AbortController();
      const given = auth.fetch(API, { signal: controller.signal });
      const kept = auth.fetch(API);
      await until(() => answer);
      controller.abort(new Error('given up'));
      await assert.rejects(given, /given up/);
      const count = world.count(REFRESH);
      answer(json(200, world.mint()));
      assert.equal((await kept).status, 200);
      assert.equal(world.count(REFRESH), count);
      auth.dispose();
    }
  });

  it('that is unsafe gets the CSRF header, its cookie fetched where it is missing', async () => {
    const { auth } = world.signedIn();
    await auth.fetch(API, { method: 'DELETE' });
    assert.equal(world.requests[0].headers['x-csrftoken'], 'c5rf');
    world.cookies.delete('csrftoken');
    await auth.fetch(API, { method: 'DELETE' });
    assert.equal(world.requests.at(-1).headers['x-csrftoken'], 'fresh');
    await auth.fetch(API);
    assert.equal(world.requests.at(-1).headers['x-csrftoken'], undefined);
  });

  it('gets no CSRF header where csrf is false', async () => {
    const { auth } = world.signedIn({ csrf: false });
    world.cookies.delete('csrftoken');
    await auth.fetch(API, { method: 'DELETE' });
    assert.equal(world.requests[0].headers['x-csrftoken'], undefined);
  });
});

describe('a visitor who is not signed in', () => {
  it('costs no refresh, and sees the 401', async () => {
    const { auth, left } = world.tab();
    assert.equal(await auth.bootstrap(), false);
    assert.equal((await auth.fetch(API)).status, 401);
    assert.equal(world.count(REFRESH), 0);
    assert.equal(auth.state, 'anonymous');
    assert.deepEqual(left, []);
  });

  it('goes to the login page where a request requires it', async () => {
    const { auth } = world.tab();
    await assert.rejects(auth.fetch(API, { auth: 'required' }), rejected('rejected'));
    assert.deepEqual(world.visited, [`${ORIGIN}/login/?next=%2Fnotes%2F7%3Ftab%3D2`]);
    assert.equal(world.requests.length, 0);
  });

  it('is asked about where no hint can be read', async () => {
    const { auth } = world.tab({ hintCookie: null });
    assert.equal(await auth.bootstrap(), true);
    assert.equal(world.refreshed, 1);
  });

  it('has no token', async () => {
    await assert.rejects(world.tab().auth.getToken(), rejected('rejected'));
  });
});

describe('a page that loads', () => {
  beforeEach(() => world.cookies.set('tl_hint', '1'));

  it('restores the session once for all who ask', async () => {
    const { auth } = world.tab();
    const answers = await Promise.all([auth.fetch(API), auth.fetch(API), auth.getToken()]);
    assert.deepEqual(statuses(answers.slice(0, 2)), [200, 200]);
    assert.equal(world.refreshed, 1);
  });

  it('is refused without leaving when it only looks', async () => {
    world.routes[REFRESH] = () => json(401, { code: 'session_expired' });
    const { auth, events, left } = world.tab();
    assert.equal(await auth.bootstrap(), false);
    assert.deepEqual(events, [{ type: 'logout', reason: 'expired', remote: false }]);
    assert.deepEqual(left, []);
    assert.deepEqual(world.visited, []);
  });

  it('leaves when a request was refused', async () => {
    world.routes[REFRESH] = () => json(401, { code: 'session_expired' });
    const { auth, left } = world.tab();
    await assert.rejects(auth.fetch(API), rejected('rejected'));
    assert.deepEqual(left, ['expired']);
    assert.equal(world.visited.length, 1);
  });

  it('does not take an outage for an answer', async () => {
    world.routes[REFRESH] = () => json(503, {}, { 'Retry-After': '60' });
    const { auth } = world.tab();
    await assert.rejects(auth.bootstrap(), rejected('unavailable'));
    assert.equal(auth.state, 'unknown');
  });

  it('asks again after a sign-out elsewhere in the browser was followed by a sign-in', async () => {
    const { auth } = world.signedIn();
    await auth.logout();
    world.cookies.delete('tl_hint');
    assert.equal(await auth.bootstrap(), false);
    world.cookies.set('tl_hint', '1');
    assert.equal(await auth.bootstrap(), true);
  });
});

describe('the life of a token', () => {
  it('is renewed before it ends', async () => {
    world.life = 20;
    const { auth } = world.signedIn();
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 14_000 });
    await auth.fetch(API);
    assert.equal(world.refreshed, 0, 'the leeway takes at most a quarter of a short life');
    mock.timers.setTime(Date.now() + 2000);
    assert.equal((await auth.fetch(API)).status, 200);
    assert.equal(world.refreshed, 1);
    assert.equal(world.count('/api/notes/'), 2);
  });

  it('is counted by our own clock, whatever the server says the time is', () => {
    for (const hours of [-3, 3]) {
      const { auth } = world.tab();
      auth.setToken(jwt({ life: 600, at: Date.now() + hours * 3_600_000 }));
      assert.ok(Math.abs(auth.expiresAt - Date.now() - 600_000) < 1000);
    }
  });

  it('is unknown for an opaque token, which is used until it is refused', async () => {
    const { auth } = world.tab();
    auth.setToken('opaque');
    assert.equal(auth.expiresAt, null);
    assert.equal(auth.claims, null);
    assert.equal(await auth.getToken(), 'opaque');
    assert.equal((await auth.fetch(API)).status, 200);
    assert.equal(world.refreshed, 1);
    auth.setToken({ access: 'opaque', expires_in: 60 });
    assert.ok(auth.expiresAt > Date.now());
  });

  it('can be asked to be long enough', async () => {
    world.life = 60;
    const { auth } = world.signedIn();
    const first = await auth.getToken(40);
    world.life = 900;
    const second = await auth.getToken(100);
    assert.notEqual(second, first);
    assert.equal(await auth.getToken(100), second);
    assert.equal(world.refreshed, 1);
  });

  it('shows its claims', () => {
    const { auth } = world.signedIn();
    assert.equal(auth.claims.serial, 1);
    assert.equal(auth.state, 'authenticated');
  });

  it('is renewed by a timer when asked for, and only then', async () => {
    world.life = 1.4;
    const lazy = world.signedIn({ namespace: 'lazy' });
    const eager = world.signedIn({ proactive: true });
    world.life = 900;
    await until(() => eager.events.length, 'the timer');
    assert.deepEqual(lazy.events, []);
    assert.equal(world.refreshed, 1);
  });

  it('that is over at once does not make the timer race', async () => {
    world.life = 0.001;
    const { auth } = world.signedIn({ proactive: true });
    await until(() => auth.expiresAt < Date.now() - 30);
    assert.equal(world.refreshed, 0);
  });

  it('is looked at when the page is seen again', async () => {
    world.life = 0.01;
    const { events } = world.signedIn();
    await delay(15);
    document.hidden = true;
    window.dispatchEvent(new Event('visibilitychange'));
    await delay(15);
    assert.equal(world.refreshed, 0);
    document.hidden = false;
    window.dispatchEvent(new Event('visibilitychange'));
    await until(() => events.length, 'the refresh');
    assert.equal(world.refreshed, 1);
  });
});

describe('a refresh', () => {
  it('whose answer is lost is tried again at once', async () => {
    const { auth } = world.signedIn();
    world.expire();
    let tries = 0;
    world.routes[REFRESH] = () => {
      tries += 1;
      if (tries === 1) throw new TypeError('network error');
      return world.refresh();
    };
    assert.equal((await auth.fetch(API)).status, 200);
    assert.equal(tries, 2);
  });

  it('that takes too long is tried again', async () => {
    const { auth } = world.signedIn({ refreshTimeout: 30 });
    world.expire();
    let tries = 0;
    world.routes[REFRESH] = async ({ signal }) => {
      tries += 1;
      if (tries === 1) await delay(1000, undefined, { signal });
      return world.refresh();
    };
    assert.equal((await auth.fetch(API)).status, 200);
    assert.equal(tries, 2);
  });

  for (const [name, answer] of Object.entries({
    'an error of the server': () => json(500, {}),
    'a page in place of an answer': () => new Response('<html>', { status: 200 }),
    'a firewall': () => new Response('<html>', { status: 403 }),
    'a proxy that wants a sign-in of its own': () => new Response('<html>', { status: 401 }),
    'a 401 that gives no reason': () => json(401, { detail: 'no' }),
    'a wrong address': () => json(404, { detail: 'Not found.' }),
    'a body of null': () => json(502, null),
  })) {
    it(`is no sign-out after ${name}`, async () => {
      const { auth, events, left } = world.signedIn({ retries: 0 });
      world.expire();
      world.routes[REFRESH] = answer;
      assert.equal((await auth.fetch(API)).status, 401);
      assert.equal(auth.state, 'authenticated');
      assert.deepEqual(left, []);
      assert.deepEqual(events, [{ type: 'offline', reason: undefined, remote: false }]);
    });
  }

  it('leaves an unreachable server alone until it is said to be back', async () => {
    const { auth, events } = world.signedIn({ retries: 1 });
    world.expire();
    world.routes[REFRESH] = () => json(503, {});
    assert.equal((await auth.fetch(API)).status, 401);
    assert.equal((await auth.fetch(API)).status, 401);
    assert.equal(world.count(REFRESH), 2);
    delete world.routes[REFRESH];
    window.dispatchEvent(new Event('online'));
    await until(() => events.length === 3, 'the refresh');
    assert.deepEqual(events.map(({ type }) => type), ['offline', 'online', 'refreshed']);
    assert.equal((await auth.fetch(API)).status, 200);
  });

  it('that fails does not keep a token from being tried', async () => {
    world.life = 0.01;
    const { auth } = world.signedIn({ retries: 0 });
    await until(() => auth.expiresAt < Date.now());
    world.routes[REFRESH] = () => json(503, {});
    assert.equal((await auth.fetch(API)).status, 200);
    assert.equal(world.count(REFRESH), 1);
  });

  it('waits for a short Retry-After and not for a long one', async () => {
    const { auth } = world.signedIn();
    world.expire();
    const started = Date.now();
    const answers = [json(429, { code: 'throttled' }, { 'Retry-After': '1' }), json(200, world.mint())];
    world.routes[REFRESH] = () => answers.shift();
    assert.equal((await auth.fetch(API)).status, 200);
    assert.ok(Date.now() - started > 900);

    world.expire();
    world.routes[REFRESH] = () => json(429, { code: 'throttled' }, { 'Retry-After': '30' });
    const count = world.count(REFRESH);
    assert.equal((await auth.fetch(API)).status, 401);
    assert.equal(world.count(REFRESH), count + 1);
    passes(20);
    await assert.rejects(auth.refresh(), rejected('unavailable'));
    assert.equal(world.count(REFRESH), count + 1, 'not even after the usual pause');
    passes(31);
    await assert.rejects(auth.refresh(), rejected('unavailable'));
    assert.equal(world.count(REFRESH), count + 2);
  });

  it('waits five minutes at most, whatever Retry-After says, and by no clock that can be set', async () => {
    const { auth } = world.signedIn();
    world.routes[REFRESH] = () => json(503, {}, { 'Retry-After': '86400' });
    await assert.rejects(auth.refresh(), rejected('unavailable'));
    delete world.routes[REFRESH];
    mock.timers.enable({ apis: ['Date'], now: Date.now() - 3_600_000 });
    passes(299);
    await assert.rejects(auth.refresh(), rejected('unavailable'));
    passes(301);
    assert.ok(await auth.refresh());
  });

  it('is possible at once after somebody has signed in', async () => {
    const { auth, events } = world.signedIn();
    world.routes[REFRESH] = () => json(503, {}, { 'Retry-After': '60' });
    await assert.rejects(auth.refresh(), rejected('unavailable'));
    delete world.routes[REFRESH];
    auth.setToken(world.mint());
    world.expire();
    assert.equal((await auth.fetch(API)).status, 200);
    assert.deepEqual(events.map(({ type }) => type), ['offline', 'online', 'login', 'refreshed']);
  });

  it('under way for an older token does not stand in for one for the newest', async () => {
    const [first, second] = [world.signedIn(), world.tab()];
    await second.auth.bootstrap();
    let answer;
    world.routes[REFRESH] = () => new Promise((resolve) => { answer = resolve; });
    const older = second.auth.refresh();
    await until(() => answer);
    first.auth.setToken(world.mint());
    await until(() => second.events.length === 2, 'the sign-in');
    world.expire();
    const asked = second.auth.fetch(API);
    await until(() => world.count('/api/notes/') === 1);
    delete world.routes[REFRESH];
    answer(json(200, { access: jwt({ serial: -1 }), expires_in: 900 }));
    await older;
    assert.equal((await asked).status, 200);
  });

  for (const [code, reason] of Object.entries({
    token_invalid: 'expired',
    token_expired: 'expired',
    session_expired: 'expired',
    session_revoked: 'revoked',
    user_inactive: 'revoked',
    password_changed: 'revoked',
    token_reused: 'reuse_detected',
  })) {
    it(`refused as ${code} ends the session once: ${reason}`, async () => {
      for (const status of [401, 400, 403]) {
        const { auth, events, left } = world.signedIn();
        world.expire();
        world.routes[REFRESH] = () => json(status, { code });
        world.visited.length = 0;
        const before = world.count(REFRESH);
        const answers = await times(10, () => auth.fetch(API));
        assert.deepEqual(statuses(answers), Array(10).fill(401));
        assert.equal(world.count(REFRESH), before + 1);
        assert.deepEqual(left, [reason]);
        assert.deepEqual(events, [{ type: 'logout', reason, remote: false }]);
        assert.deepEqual(world.visited, [`${ORIGIN}/login/?next=%2Fnotes%2F7%3Ftab%3D2`]);
        assert.equal(auth.state, 'anonymous');
        assert.equal(auth.expiresAt, null);
        assert.equal(auth.claims, null);
        auth.dispose();
      }
    });
  }

  it('refused tells what the server said', async () => {
    const { auth } = world.signedIn();
    world.routes[REFRESH] = () => json(401, { code: 'session_revoked' });
    await assert.rejects(auth.refresh(), (error) => error.response.status === 401);
    await assert.rejects(auth.refresh(), rejected('rejected'));
  });

  it('refused with 401 for a reason that is not known yet ends the session too', async () => {
    const { auth, left } = world.signedIn();
    world.routes[REFRESH] = () => json(401, { code: 'moon' });
    await assert.rejects(auth.refresh(), rejected('rejected'));
    assert.deepEqual(left, ['expired']);
  });

  it('superseded is tried again with what the cookie is by then', async () => {
    const { auth, left } = world.signedIn();
    const answers = [json(401, { code: 'token_superseded' }), json(200, world.mint())];
    world.routes[REFRESH] = () => answers.shift();
    assert.ok(await auth.refresh());
    assert.deepEqual(left, []);
  });

  it('superseded for good ends the session', async () => {
    const { auth, left } = world.signedIn({ retries: 1 });
    world.routes[REFRESH] = () => json(401, { code: 'token_superseded' });
    await assert.rejects(auth.refresh(), rejected('rejected'));
    assert.equal(world.count(REFRESH), 2);
    assert.deepEqual(left, ['expired']);
  });

  it('refused for its CSRF token fetches another and is sent once more', async () => {
    const { auth } = world.signedIn();
    world.expire();
    world.routes[REFRESH] = (request) =>
      request.headers.get('X-CSRFToken') === 'fresh'
        ? world.refresh()
        : json(403, { code: 'csrf_failed' });
    assert.equal((await auth.fetch(API)).status, 200);
    assert.equal(world.count('/auth/csrf/'), 1);
    assert.equal(world.count(REFRESH), 2);
  });

  it('refused for every CSRF token is an outage, not a sign-out', async () => {
    const { auth, left } = world.signedIn({ retries: 0 });
    world.routes[REFRESH] = () => json(403, { code: 'csrf_failed' });
    await assert.rejects(auth.refresh(), rejected('unavailable'));
    assert.equal(world.count(REFRESH), 2);
    assert.deepEqual(left, []);
  });

  it('is a JSON POST without a bearer, and keeps the token out of storage and messages', async () => {
    const { auth } = world.signedIn();
    await auth.refresh();
    const { method, cache, credentials, headers, body } = world.requests[0];
    assert.equal(method, 'POST');
    assert.equal(cache, 'no-store');
    assert.equal(credentials, 'include');
    assert.equal(body, '{}');
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['x-csrftoken'], 'c5rf');
    assert.equal(headers.authorization, undefined);
    assert.deepEqual([...world.storage], [['tl:/auth/:gen', '2']]);
  });

  it('under way during a sign-out does not bring the session back', async () => {
    const { auth, events } = world.signedIn();
    let answer;
    world.routes[REFRESH] = () => new Promise((resolve) => { answer = resolve; });
    const refreshing = assert.rejects(auth.refresh(), rejected('rejected'));
    await until(() => answer);
    await auth.logout();
    answer(json(200, world.mint()));
    await refreshing;
    assert.equal(auth.state, 'anonymous');
    assert.deepEqual(events.map(({ type }) => type), ['logout']);
  });

  it('refused because of our own sign-out is still our own sign-out', async () => {
    const { auth, left } = world.signedIn();
    let finish;
    world.routes['/auth/logout/'] = () => new Promise((resolve) => { finish = resolve; });
    world.routes[REFRESH] = () => json(401, { code: 'session_revoked' });
    const leaving = auth.logout();
    await until(() => finish);
    await assert.rejects(auth.refresh(), rejected('rejected'));
    finish(new Response(null, { status: 204 }));
    await leaving;
    assert.deepEqual(left, ['user']);
  });

  it('calls listeners and onLogout with the lock released', async () => {
    const { auth } = world.signedIn({ onLogout: () => assert.equal(navigator.locks.held, false) });
    const seen = [];
    auth.subscribe(({ type }) => seen.push([type, navigator.locks.held]));
    await auth.refresh();
    world.routes[REFRESH] = () => json(401, { code: 'session_expired' });
    await assert.rejects(auth.refresh(), rejected('rejected'));
    assert.deepEqual(seen, [['refreshed', false], ['logout', false]]);
  });
});

describe('several tabs', () => {
  it('share one refresh', async () => {
    const first = world.signedIn();
    const others = Array.from({ length: 4 }, () => world.tab());
    await until(() => others.every(({ auth }) => auth.state === 'unknown'));
    await Promise.all(others.map(({ auth }) => auth.bootstrap()));
    assert.equal(world.refreshed, 0, 'a new tab gets its token from another');
    world.expire();
    const tabs = [first, ...others];
    const answers = await Promise.all(
      tabs.flatMap(({ auth }) => Array.from({ length: 10 }, () => auth.fetch(API))),
    );
    assert.deepEqual(statuses(answers), Array(50).fill(200));
    assert.equal(world.refreshed, 1);
    assert.deepEqual(tabs.map(({ events }) => events.at(-1).remote).sort(), [false, true, true, true, true]);
  });

  it('refresh one after the other where nothing is shared', async () => {
    const tabs = Array.from({ length: 3 }, () => world.signedIn({ share: false }));
    world.routes[REFRESH] = () => {
      world.refreshed += 1;
      const { access } = world.mint();
      world.valid -= 1; // every tab's token is as good as the others'
      return json(200, { access, expires_in: 900 });
    };
    world.messages.length = 0;
    await Promise.all(tabs.map(({ auth }) => auth.refresh()));
    assert.equal(world.refreshed, 3);
    assert.deepEqual(world.messages, []);
  });

  it('ask for what they did not hear', async () => {
    const [first, second] = [world.signedIn(), world.tab()];
    await second.auth.bootstrap();
    const [, deaf] = world.channels;
    world.deaf.add(deaf);
    await first.auth.refresh();
    world.deaf.clear();
    assert.equal((await second.auth.fetch(API)).status, 200);
    assert.equal(world.refreshed, 1);
  });

  it('never go back to an older token', async () => {
    const { auth } = world.signedIn();
    await auth.refresh();
    const token = await auth.getToken();
    const stranger = new BroadcastChannel('tl:/auth/');
    stranger.postMessage({ n: 1, type: 'refreshed', token: jwt() });
    stranger.postMessage({ n: 1, type: 'logout', reason: 'user' });
    await delay(10);
    assert.equal(await auth.getToken(), token);
    stranger.close();
  });

  it('offer no token that is stale', async () => {
    world.life = 0.01;
    world.signedIn();
    world.life = 900;
    await delay(15);
    assert.equal(await world.tab().auth.bootstrap(), true);
    assert.equal(world.refreshed, 1);
  });

  it('leave a page that has just loaded alone with an old sign-out', async () => {
    await world.signedIn().auth.logout();
    world.cookies.set('tl_hint', '1');
    const { auth } = world.tab();
    window.dispatchEvent(new Event('pageshow'));
    assert.equal(auth.state, 'unknown');
    assert.ok(await auth.getToken());
  });

  it('do not tell a page that has just loaded that nobody is signed in', async () => {
    const { auth } = world.signedIn();
    await auth.logout();
    world.cookies.set('tl_hint', '1'); // signed in again by a form of the server's own
    assert.equal(await world.tab().auth.bootstrap(), true);
  });

  it('hear of a sign-in', async () => {
    const [first, second] = [world.tab(), world.tab()];
    assert.equal(await second.auth.bootstrap(), false);
    first.auth.setToken(world.mint());
    await until(() => second.events.length, 'the sign-in');
    assert.deepEqual(second.events, [{ type: 'login', reason: undefined, remote: true }]);
    assert.equal((await second.auth.fetch(API)).status, 200);
  });

  it('hear of a sign-out once, by message and by storage event', async () => {
    const [first, second] = [world.signedIn(), world.tab()];
    await second.auth.bootstrap();
    const visitor = world.tab();
    second.events.length = 0;
    await first.auth.logout();
    await until(() => second.left.length, 'the sign-out');
    world.tell('tl:/auth/:out');
    assert.deepEqual(first.left, ['user']);
    assert.deepEqual(second.left, ['remote']);
    assert.deepEqual(second.events, [{ type: 'logout', reason: 'remote', remote: true }]);
    assert.deepEqual(visitor.left, []);
  });

  it('hear of a sign-out without the channel', async () => {
    delete window.BroadcastChannel;
    const [first, second] = [world.signedIn(), world.signedIn()];
    world.routes[REFRESH] = () => json(401, { code: 'token_reused' });
    await assert.rejects(first.auth.refresh(), rejected('rejected'));
    world.tell('tl:/auth/:out');
    assert.deepEqual(second.left, ['reuse_detected']);
  });

  it('forget an old sign-out once somebody has signed in again', async () => {
    const [first, second] = [world.signedIn(), world.tab()];
    await second.auth.bootstrap();
    await first.auth.logout();
    first.auth.setToken(world.mint());
    await until(() => second.events.length === 3, 'the sign-out and the sign-in');
    world.tell('tl:/auth/:out');
    window.dispatchEvent(new Event('pageshow'));
    assert.deepEqual(second.left, ['remote']);
    assert.equal(second.auth.state, 'authenticated');
  });

  it('learn after the back button that somebody signed out meanwhile', async () => {
    const [first, second] = [world.signedIn(), world.signedIn()];
    const [, deaf] = world.channels;
    world.deaf.add(deaf);
    await first.auth.logout();
    window.dispatchEvent(new Event('pageshow'));
    assert.equal(second.auth.state, 'anonymous');
  });

  it('of two apps on one origin keep apart', async () => {
    const one = world.signedIn({ namespace: 'one' });
    const two = world.signedIn({ namespace: 'two' });
    await one.auth.logout();
    await delay(10);
    assert.equal(two.auth.state, 'authenticated');
  });

  it('go on without a lock that never comes', async () => {
    navigator.locks.held = true;
    const { auth } = world.signedIn({ lockTimeout: 30 });
    world.expire();
    const answers = await times(3, () => auth.fetch(API));
    assert.deepEqual(statuses(answers), [200, 200, 200]);
    assert.equal(world.refreshed, 1);
    assert.equal(navigator.locks.held, true, 'it was not stolen');
  });

  it('do without locks, channel and storage', async () => {
    delete window.BroadcastChannel;
    navigator.locks = undefined;
    world.globals({ localStorage: undefined });
    const { auth } = world.signedIn();
    world.expire();
    assert.equal((await auth.fetch(API)).status, 200);
    await auth.logout();
    assert.equal(auth.state, 'anonymous');
  });

  it('end an outage for each other', async () => {
    const [first, second] = [world.signedIn({ retries: 0 }), world.tab({ retries: 0 })];
    await second.auth.bootstrap();
    second.events.length = 0;
    world.routes[REFRESH] = () => json(503, {});
    await assert.rejects(second.auth.refresh(), rejected('unavailable'));
    delete world.routes[REFRESH];
    await first.auth.refresh();
    await until(() => second.events.length === 3);
    assert.deepEqual(second.events.map(({ type }) => type), ['offline', 'online', 'refreshed']);
  });
});

describe('signing out', () => {
  it('tells the server first, with the CSRF header', async () => {
    const { auth, events, left } = world.signedIn();
    await auth.logout();
    assert.equal(world.requests[0].url, `${ORIGIN}/auth/logout/`);
    assert.equal(world.requests[0].headers['x-csrftoken'], 'c5rf');
    assert.deepEqual(events, [{ type: 'logout', reason: 'user', remote: false }]);
    assert.deepEqual(left, ['user']);
    assert.deepEqual(world.visited, [`${ORIGIN}/login/`]);
    assert.equal((await auth.fetch(API)).status, 401);
    assert.equal(world.refreshed, 0, 'the session is not brought back');
  });

  it('of all devices is asked for with the bearer, and deletes the cookie too', async () => {
    const { auth } = world.signedIn();
    await auth.logout({ everywhere: true });
    assert.deepEqual(world.requests.map(({ url }) => new URL(url).pathname), [
      '/auth/logout-all/',
      '/auth/logout/',
    ]);
    assert.ok(world.requests[0].headers.authorization);
    assert.ok(world.requests.every(({ credentials }) => credentials === 'include'));
  });

  it('fails without effect when the server cannot be told', async () => {
    const { auth, left } = world.signedIn();
    for (const answer of [() => json(503, {}), () => { throw new TypeError('offline'); }]) {
      world.routes['/auth/logout/'] = answer;
      await assert.rejects(auth.logout(), rejected('unavailable'));
      assert.equal(auth.state, 'authenticated');
    }
    assert.deepEqual(left, []);
  });

  it('stays where it is if onLogout says so', async () => {
    const { auth } = world.signedIn({ onLogout: () => true });
    await auth.logout();
    assert.deepEqual(world.visited, []);
  });

  it('stays where it is without a login page', async () => {
    const { auth } = world.signedIn({ loginUrl: null });
    await auth.logout();
    assert.deepEqual(world.visited, []);
  });

  it('does not go from the login page to the login page', async () => {
    const { auth } = world.signedIn({ loginUrl: '/notes/7' });
    await auth.logout();
    assert.deepEqual(world.visited, []);
  });

  it('never offers a host as the way back', async () => {
    location.pathname = '//evil.example/x';
    const { auth } = world.signedIn({ loginUrl: '/login/?theme=dark' });
    world.routes[REFRESH] = () => json(401, { code: 'session_expired' });
    await assert.rejects(auth.refresh(), rejected('rejected'));
    assert.deepEqual(world.visited, [
      `${ORIGIN}/login/?theme=dark&next=%2Fevil.example%2Fx%3Ftab%3D2`,
    ]);
  });
});

describe('the object', () => {
  it('hears nothing more after dispose', async () => {
    world.life = 0.01;
    const { auth, events } = world.signedIn({ proactive: true });
    const other = world.signedIn();
    await until(() => events.length);
    events.length = 0;
    auth.dispose();
    assert.equal(world.channels.size, 1);
    await other.auth.logout();
    world.tell('tl:/auth/:out');
    window.dispatchEvent(new Event('online'));
    await delay(10);
    assert.deepEqual(events, []);
    assert.equal(auth.state, 'authenticated');
  });

  it('ends a subscription', async () => {
    const { auth } = world.tab();
    const heard = [];
    auth.subscribe(() => heard.push(1))();
    auth.setToken(world.mint());
    await delay(1);
    assert.deepEqual(heard, []);
  });

  it('is made on a server without opening anything', () => {
    world.globals({ document: undefined, window: undefined, location: undefined });
    const auth = createAuth();
    assert.equal(auth.state, 'unknown');
    assert.equal(world.channels.size, 0);
    auth.dispose();
  });

  it('finds the other endpoints beside the refresh endpoint', async () => {
    const { auth } = world.signedIn({ refreshUrl: '/api/v2/session/refresh/' });
    world.cookies.delete('csrftoken');
    world.routes['/api/v2/session/logout/'] = () => new Response(null, { status: 204 });
    await auth.logout();
    assert.deepEqual(world.requests.map(({ url }) => new URL(url).pathname), [
      '/api/v2/session/csrf/',
      '/api/v2/session/logout/',
    ]);
  });

  it('reads its options from the page', () => {
    document.getElementById = (id) =>
      id === 'token-lifecycle-config' ? { textContent: '{"loginUrl": "/in/"}' } : null;
    assert.deepEqual(readConfig(), { loginUrl: '/in/' });
  });

  it('sends through the given fetch', async () => {
    const seen = [];
    const { auth } = world.tab({ fetch: async (request) => (seen.push(request.url), json(200, {})) });
    await auth.fetch(API);
    assert.deepEqual(seen, [API]);
  });
});
