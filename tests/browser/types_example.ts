// Checked by tsc, never run: what a project would write compiles against client.d.ts.
import axios from 'axios';
import createClient from 'openapi-fetch';

import {
  AuthError,
  createAuth,
  readConfig,
  type Auth,
  type AuthEvent,
  type LogoutReason,
} from '../../token_lifecycle/static/token_lifecycle/client.js';

interface Paths {
  '/api/items': {
    get: { responses: { 200: { content: { 'application/json': { id: number }[] } } } };
  };
}

const auth: Auth = createAuth({
  ...readConfig(),
  origins: [location.origin, 'https://api.example.com'],
  csrf: false,
  hintCookie: null,
  isAuthFailure: (response) => response.status === 401,
  onLogout(reason: LogoutReason) {
    if (reason === 'remote') return true;
  },
});

export async function plain(): Promise<unknown> {
  if (!(await auth.bootstrap())) return null;
  const unbound: typeof fetch = auth.fetch;
  await unbound('/api/items');
  const answer = await auth.fetch('/api/items', { method: 'POST', auth: 'required', body: '{}' });
  return answer.json();
}

export async function login(form: FormData): Promise<void> {
  const answer = await auth.fetch('/auth/obtain/', {
    auth: false,
    body: JSON.stringify(Object.fromEntries(form)),
    headers: { 'Content-Type': 'application/json' },
    method: 'POST',
  });
  await auth.fetch('/api/items', new Request('/api/items'));
  if (answer.ok) auth.setToken(await answer.json());
  auth.setToken('a.b.c');
}

export async function adapters(): Promise<void> {
  const instance = axios.create({ baseURL: '/api/' });
  const eject: () => void = auth.axios(instance);
  await instance.get('items');
  eject();

  const client = createClient<Paths>({ baseUrl: '/' });
  client.use(auth.middleware);
  const { data } = await client.GET('/api/items');
  data?.map((item) => item.id.toFixed());

  const other = createClient<Paths>({ baseUrl: '/', fetch: auth.fetch });
  await other.GET('/api/items');
}

export async function socket(): Promise<WebSocket> {
  const unsubscribe = auth.subscribe(({ type, reason, remote }: AuthEvent) => {
    if (type === 'logout') console.info(reason?.toUpperCase(), remote);
  });
  const opened = new WebSocket('/ws/', ['bearer', await auth.getToken(30)]);
  unsubscribe();
  return opened;
}

export async function leave(): Promise<string> {
  try {
    await auth.logout({ everywhere: true });
  } catch (error) {
    if (error instanceof AuthError) return `${error.code} ${error.response?.status}`;
    throw error;
  } finally {
    auth.dispose();
  }
  return `${auth.state} ${auth.expiresAt?.toFixed()} ${auth.claims?.sub}`;
}

// @ts-expect-error an option that does not exist
createAuth({ refreshURL: '/auth/refresh/' });
// @ts-expect-error a reason that does not exist
auth.subscribe(({ reason }) => reason === 'bored');
