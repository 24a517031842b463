import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';

import axios from 'axios';
import createClient from 'openapi-fetch';

import { AuthError } from '../../token_lifecycle/static/token_lifecycle/client.js';
import { json, ORIGIN, World } from './world.mjs';

const REFRESH = '/auth/refresh/';

let world;

beforeEach(() => {
  world = new World();
});

afterEach(() => world.close());

/** An instance of the real axios that talks to the world. */
function instance(options = {}) {
  async function adapter(config) {
    const { headers, method } = config;
    const url = axios.getUri(config);
    const body = method === 'get' ? undefined : config.data;
    const answer = await world.serve(new Request(url, { method, body, headers: { ...headers } }));
    const response = {
      config,
      data: await answer.text(),
      headers: Object.fromEntries(answer.headers),
      status: answer.status,
    };
    if (config.validateStatus(answer.status)) return response;
    throw new axios.AxiosError('refused', 'ERR_BAD_REQUEST', config, null, response);
  }
  return axios.create({ adapter, baseURL: `${ORIGIN}/api/`, ...options });
}

describe('axios', () => {
  it('is signed in, and replays what was refused', async () => {
    const { auth } = world.signedIn();
    const client = instance();
    auth.axios(client);
    world.expire();
    const answers = await Promise.all(Array.from({ length: 10 }, () => client.get('notes/')));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal(world.refreshed, 1);
    assert.equal(world.count('/api/notes/'), 20);
  });

  it('replays a body as it was, and interceptors run once', async () => {
    const { auth } = world.signedIn();
    const client = instance();
    auth.axios(client);
    const calls = { request: 0, response: 0, transform: 0 };
    client.interceptors.request.use((config) => {
      calls.request += 1;
      return { ...config, data: { wrapped: config.data } };
    });
    client.interceptors.response.use((response) => {
      calls.response += 1;
      return response.data;
    });
    client.defaults.transformRequest = [
      ...[client.defaults.transformRequest].flat(),
      (data) => {
        calls.transform += 1;
        return `${data}!`;
      },
    ];
    world.expire();
    const data = await client.post('notes/', { a: 1 });
    assert.deepEqual(data, { echo: '{"wrapped":{"a":1}}!' });
    assert.deepEqual(calls, { request: 1, response: 1, transform: 1 });
    const [first, , second] = world.requests;
    assert.equal(second.body, first.body);
    assert.equal(second.headers['content-type'], 'application/json');
    assert.equal(second.headers['x-csrftoken'], 'c5rf');
  });

  it('gives a second refusal to the caller', async () => {
    const { auth } = world.signedIn();
    const client = instance();
    auth.axios(client);
    world.routes['/api/notes/'] = () => json(401, { detail: 'no' });
    await assert.rejects(client.get('notes/'), (error) => error.response.data.detail === 'no');
    assert.equal(world.refreshed, 1);
  });

  it('replays where 401 does not count as an error', async () => {
    const { auth } = world.signedIn();
    const client = instance({ validateStatus: () => true });
    auth.axios(client);
    world.expire();
    assert.equal((await client.get('notes/')).status, 200);
  });

  it('passes on what is no refusal of the token', async () => {
    const { auth } = world.signedIn();
    const client = instance();
    auth.axios(client);
    world.routes['/api/notes/'] = () => json(401, { code: 'invalid_credentials' });
    await assert.rejects(client.get('notes/'), (error) => error.response.status === 401);
    world.routes['/api/notes/'] = () => {
      throw new TypeError('network');
    };
    await assert.rejects(client.get('notes/'), TypeError);
    world.routes['/api/notes/'] = () => new Response(null, { status: 204 });
    assert.equal((await client.get('notes/')).status, 204);
    assert.equal(world.refreshed, 0);
  });

  it('tells the caller when the session has ended', async () => {
    const { auth, left } = world.signedIn();
    const client = instance();
    auth.axios(client);
    world.expire();
    world.routes[REFRESH] = () => json(401, { code: 'session_revoked' });
    await assert.rejects(client.get('notes/'), (error) => error.response.status === 401);
    assert.deepEqual(left, ['revoked']);
  });

  it('keeps the token from another origin', async () => {
    const { auth } = world.signedIn();
    const client = instance();
    auth.axios(client);
    world.routes['https://elsewhere.example'] = () => json(200, {});
    await client.post('https://elsewhere.example/x', {});
    assert.equal(world.requests[0].headers.authorization, undefined);
    assert.equal(world.requests[0].headers['x-csrftoken'], undefined);
  });

  it('hears of the session in its own words', async () => {
    for (const [status, word, code] of [
      [401, 'session_expired', 'rejected'],
      [503, 'unavailable', 'unavailable'],
    ]) {
      world.cookies.set('tl_hint', '1');
      world.routes[REFRESH] = () => json(status, { code: word }, { 'Retry-After': '60' });
      const { auth } = world.tab();
      const client = instance();
      auth.axios(client);
      await assert.rejects(client.get('notes/'), (error) => error instanceof AuthError && error.code === code);
    }
  });

  it('is sent with a new CSRF token where the old one was refused', async () => {
    const { auth } = world.signedIn();
    const client = instance();
    auth.axios(client);
    world.routes['/api/notes/'] = (request) =>
      request.headers.get('X-CSRFToken') === 'fresh' ? json(200, {}) : json(403, { code: 'csrf_failed' });
    assert.equal((await client.post('notes/', {})).status, 200);
  });

  it('sends a wrong one-time code once, whatever becomes of the answer', async () => {
    const { auth } = world.signedIn();
    const client = instance({ responseType: 'text', transformResponse: [(data) => data] });
    auth.axios(client);
    world.routes['/api/otp/'] = () => json(401, { code: 'otp_invalid' });
    await assert.rejects(client.post('otp/', {}));
    assert.equal(world.requests.length, 1);
  });

  it('goes by the address the browser will use, wherever a <base> points', async () => {
    const { auth } = world.signedIn();
    document.baseURI = 'https://elsewhere.example/';
    world.routes['https://elsewhere.example'] = () => json(200, {});
    const client = instance({ baseURL: '/api/' });
    client.defaults.adapter = async (config) => {
      const url = new URL(axios.getUri(config), document.baseURI);
      await world.serve(new Request(url, { headers: { ...config.headers } }));
      return { config, data: '', headers: {}, status: 200 };
    };
    auth.axios(client);
    await client.get('notes/');
    assert.equal(world.requests[0].headers.authorization, undefined);
  });

  /** Redirected by the browser, which tells by the address of the answer. */
  const redirected = (to) => async (config) => {
    const url = axios.getUri(config);
    await world.serve(new Request(url, { method: config.method, headers: { ...config.headers } }));
    const answer = { config, data: '{}', headers: {}, request: { responseURL: to }, status: 401 };
    throw new axios.AxiosError('refused', 'ERR_BAD_REQUEST', config, null, answer);
  };

  it('does not repeat what was carried out and then redirected', async () => {
    const { auth } = world.signedIn();
    const client = instance({ adapter: redirected(`${ORIGIN}/api/notes/8/`) });
    auth.axios(client);
    await assert.rejects(client.post('notes/', {}), (error) => error.response.status === 401);
    assert.equal(world.count('/api/notes/'), 1);
    assert.equal(world.refreshed, 1, 'the next one has a new token');
    await assert.rejects(client.get('notes/'));
    assert.equal(world.count('/api/notes/'), 3, 'reading twice does no harm');
  });

  it('does not take the 401 of another origin for its own', async () => {
    const { auth } = world.signedIn();
    const client = instance({ adapter: redirected('https://elsewhere.example/') });
    auth.axios(client);
    await assert.rejects(client.get('notes/'), (error) => error.response.status === 401);
    assert.equal(world.refreshed, 0);
  });

  it('is left as it was after eject', async () => {
    const { auth } = world.signedIn();
    const client = instance();
    auth.axios(client)();
    await assert.rejects(client.get('notes/'), (error) => error.response.status === 401);
    assert.equal(world.requests[0].headers.authorization, undefined);
    assert.equal(world.refreshed, 0);
  });
});

describe('openapi-fetch', () => {
  for (const [way, make] of Object.entries({
    'as a middleware': (auth) => {
      const client = createClient({ baseUrl: ORIGIN });
      client.use(auth.middleware);
      return client;
    },
    'as its fetch': (auth) => createClient({ baseUrl: ORIGIN, fetch: auth.fetch }),
  })) {
    it(`is signed in and replays: ${way}`, async () => {
      const { auth } = world.signedIn();
      const client = make(auth);
      world.expire();
      const { data } = await client.POST('/api/notes/', { body: { a: 1 } });
      assert.deepEqual(data, { echo: '{"a":1}' });
      assert.equal(world.refreshed, 1);
    });

    it(`gives a second refusal to the caller: ${way}`, async () => {
      const { auth } = world.signedIn();
      const client = make(auth);
      world.routes['/api/notes/'] = () => json(401, { detail: 'no' });
      const { error, response } = await client.GET('/api/notes/');
      assert.equal(response.status, 401);
      assert.equal(error.detail, 'no');
      assert.equal(world.refreshed, 1);
    });
  }
});
