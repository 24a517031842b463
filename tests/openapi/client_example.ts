// Checked by tsc, never run: a client over the types that openapi-typescript makes of the schema.
import createClient from 'openapi-fetch';

import type { components, paths } from './generated/schema.js';

const api = createClient<paths>({ baseUrl: 'https://shop.example' });

export async function signIn(username: string, password: string): Promise<string> {
  const { data, error } = await api.POST('/api/auth/obtain/', { body: { username, password } });
  if (data) {
    const kind: 'Bearer' = data.token_type;
    return `${kind} ${data.access} for ${data.expires_in.toFixed()} s; then ${data.refresh}`;
  }
  switch (error.code) {
    case 'invalid_credentials':
    case 'throttled':
    case 'session_limit':
      return error.detail;
    case 'invalid':
      return [...('username' in error ? (error.username ?? []) : []), error.detail].join(' ');
    case 'unavailable':
      return 'later';
    // @ts-expect-error No sign-in is answered with what is said of a refresh token.
    case 'token_reused':
      return 'never';
    default:
      return error.code;
  }
}

export async function refresh(token: string): Promise<string> {
  const { data, error } = await api.POST('/api/auth/refresh/', { body: { refresh: token } });
  if (data) return data.refresh;
  return error.code === 'token_reused' ? 'somebody else may have had the token' : error.detail;
}

export async function refreshInBrowser(): Promise<string | undefined> {
  const { data } = await api.POST('/auth/refresh/', { body: {} });
  // @ts-expect-error A token that travels in a cookie is never in a body.
  void data?.refresh;
  return data?.access;
}

export async function devices(): Promise<components['schemas']['AuthSession'][]> {
  const { data } = await api.GET('/api/auth/sessions/', { params: { query: { page_size: 20 } } });
  return data?.results.filter(({ current, ip_address }) => current || ip_address !== null) ?? [];
}

export async function end(id: string): Promise<boolean> {
  const { response } = await api.DELETE('/api/auth/sessions/{session_id}/', {
    params: { path: { session_id: id } },
  });
  return response.status === 204;
}

// @ts-expect-error A password is needed.
void api.POST('/api/auth/obtain/', { body: { username: 'anna' } });
