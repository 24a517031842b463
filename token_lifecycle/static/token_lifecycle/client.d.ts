/** Why a session ended, as told to `onLogout` and to listeners. */
export type LogoutReason =
  /** This page called `logout()`. */
  | 'user'
  /** The session, or its cookie, had come to its end. */
  | 'expired'
  /** Somebody ended the session: its user elsewhere, staff, a changed password. */
  | 'revoked'
  /** A consumed refresh token was seen again: it may have been stolen. */
  | 'reuse_detected'
  /** Another tab called `logout()`. */
  | 'remote';

/**
 * What `{% token_lifecycle_config %}` writes into the page, and everything else that can be set.
 * All is optional where the browser endpoints are mounted under `/auth/`.
 */
export interface AuthOptions {
  /** Address of the refresh endpoint. Default `/auth/refresh/`. */
  refreshUrl?: string;
  /** Address of the logout endpoint. Default: beside `refreshUrl`. */
  logoutUrl?: string;
  /** Address of the endpoint that ends all of a user's sessions. Default: beside `refreshUrl`. */
  logoutAllUrl?: string;
  /** Address that sets the CSRF cookie. Default: beside `refreshUrl`. */
  csrfUrl?: string;
  /**
   * Where the page goes when the session has ended, with `?next=` the path to come back to. The
   * server must check `next` again (`url_has_allowed_host_and_scheme`). Default: nowhere.
   */
  loginUrl?: string | null;
  /** The only origins that are ever sent the access token. Default: the page's own. */
  origins?: readonly string[];
  /**
   * Separates two sign-ins of one origin. Names the lock, the channel, the storage keys. Default:
   * `tl:` and where `refreshUrl` is mounted, such as `tl:/auth/`.
   */
  namespace?: string;
  /**
   * Seconds before its expiry from which a token is renewed before it is used; at most a quarter of
   * its life. Default 30.
   */
  leeway?: number;
  /** Renew by a timer too, not only when a request needs it. Default false. */
  proactive?: boolean;
  /**
   * Hand tokens over to the other tabs. Without it every tab refreshes for itself, one after the
   * other; signing out reaches all tabs either way. Default true.
   */
  share?: boolean;
  /**
   * Milliseconds that one try of a refresh may take. All tries together must fit into the server's
   * `REUSE_GRACE_PERIOD`, inside which a lost answer can be had again. Default 4000.
   */
  refreshTimeout?: number;
  /** Milliseconds to wait for another tab's refresh before going on without the lock. Default 15000. */
  lockTimeout?: number;
  /** How often a refresh is tried again when no answer came, or a passing error. Default 2. */
  retries?: number;
  /** The CSRF cookie and header, as in Django's settings; false where the server checks none. */
  csrf?: { cookie: string; header: string } | false;
  /**
   * Name of the readable cookie that says that a session may exist; without the cookie a page that
   * loads does not ask the server. Null, where the endpoints are on another origin, to always ask.
   * Default `tl_hint`.
   */
  hintCookie?: string | null;
  /**
   * Whether an answer means that the access token was refused. Clone it before reading its body.
   * With axios it is asked about errors only. Default: a 401 whose `code` is one of those of the
   * access token (`token_expired`, `session_revoked` …), or that has none.
   */
  isAuthFailure?: (response: Response) => boolean | Promise<boolean>;
  /**
   * Called once in every tab that was signed in when the session has ended; also, with `expired`,
   * when a request requires a session and there is none. Return true to keep the page from going to
   * `loginUrl`.
   */
  onLogout?: (reason: LogoutReason) => unknown;
  /** Sends the requests. Default: the global `fetch`. */
  fetch?: typeof fetch;
}

/** The session could not be used. An aborted request fails with its signal's reason instead. */
export class AuthError extends Error {
  /**
   * `rejected`: nobody is signed in, or the session has ended.
   * `unavailable`: the server could not be asked; the session is kept.
   */
  readonly code: 'rejected' | 'unavailable';
  /** The answer that decided it, if there was one. */
  readonly response?: Response;
}

export interface AuthEvent {
  /**
   * `login`: `setToken()` was called. `refreshed`: there is a new token. `logout`: the session has
   * ended. `offline`: the server could not be asked for a new token. `online`: it can again.
   */
  type: 'login' | 'refreshed' | 'logout' | 'offline' | 'online';
  /** Of a `logout`. */
  reason?: LogoutReason;
  /** It happened in another tab. */
  remote: boolean;
}

export interface AuthRequestInit extends RequestInit {
  /**
   * False: no token, no refresh. `'required'`: a visitor who is not signed in goes to the login
   * page, and the promise is rejected. Default true: such a request is sent without a token.
   */
  auth?: boolean | 'required';
}

/** The answer of the obtain endpoint, or as much of it as another sign-in has to offer. */
export interface TokenAnswer {
  access: string;
  /** Seconds. Without it the token's own `exp` and `iat` are used. */
  expires_in?: number;
}

/** The part of an axios instance that is used. */
export interface AxiosLike {
  interceptors: {
    request: InterceptorsLike;
    response: InterceptorsLike;
  };
  create(config?: any): { request(config: any): Promise<any> };
  getUri(config?: any): string;
}

export interface InterceptorsLike {
  use(onFulfilled: (value: any) => any, onRejected?: (error: any) => any): number;
  eject(id: number): void;
}

export interface Auth {
  /**
   * `fetch`, signed in. Renews a token about to expire, and answers a 401 with one refresh and one
   * replay; a second 401 goes to the caller, as does the first where the session has ended or the
   * server cannot be asked. Streams as a body are sent once. Requests to other origins, and those
   * that bring an `Authorization` header, are left alone. Unsafe requests to the origin of the
   * endpoints get the CSRF header. Needs no `this`.
   * @throws AuthError before anything is sent: `rejected` when the session turns out to have ended,
   * `unavailable` when a page that has just loaded cannot find out whether somebody is signed in
   */
  fetch(input: RequestInfo | URL, init?: AuthRequestInit | Request | null): Promise<Response>;
  /**
   * The same for an axios instance. Interceptors run once per request, replayed or not.
   * @returns a function that takes it off again
   */
  axios(instance: AxiosLike): () => void;
  /** The same for openapi-fetch: `client.use(auth.middleware)`, after all others. */
  readonly middleware: {
    onRequest(call: { request: Request; options: object }): Promise<undefined>;
    onResponse(call: { response: Response; options: object }): Promise<Response | undefined>;
  };
  /**
   * A token for what cannot go through `fetch`, such as a WebSocket: valid for `minTtl` more
   * seconds if that can be had. Never put it into a URL.
   * @throws AuthError
   */
  getToken(minTtl?: number): Promise<string>;
  /** Take over the token of a sign-in, in all tabs. */
  setToken(answer: string | TokenAnswer): void;
  /**
   * For a page that loads: take over another tab's token, or else refresh if a session may exist.
   * Never leaves the page. Resolves to whether somebody is signed in.
   * @throws AuthError `unavailable`: it could not be found out
   */
  bootstrap(): Promise<boolean>;
  /**
   * Get a new token now.
   * @throws AuthError
   */
  refresh(): Promise<string>;
  /**
   * End the session on the server, then in all tabs.
   * @throws AuthError `unavailable`: the server could not be told, and nobody was signed out;
   * `rejected`: with `everywhere`, the server takes us for nobody, and the other sessions live on
   */
  logout(options?: {
    /** End all sessions of the user, on all devices. */
    everywhere?: boolean;
  }): Promise<void>;
  /** @returns a function that ends the subscription */
  subscribe(listener: (event: AuthEvent) => void): () => void;
  /** `unknown` until a page that loaded has found out. */
  readonly state: 'unknown' | 'authenticated' | 'anonymous';
  /** When the token expires, in milliseconds by this machine's clock; null where not known. */
  readonly expiresAt: number | null;
  /** The token's claims, unverified: to show, not to decide by. Null where there are none. */
  readonly claims: Readonly<Record<string, unknown>> | null;
  /** Close the channel, the listeners and the timer. For hot reload and for tests. */
  dispose(): void;
}

export function createAuth(options?: AuthOptions): Auth;

/** The options that `{% token_lifecycle_config %}` has put into the page. */
export function readConfig(id?: string): AuthOptions;
