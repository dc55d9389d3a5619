/**
 * Calls to /api/v1. Owns the envelope, the CSRF token and the renewal of the session; refuses to know pages.
 *
 * The session is an HttpOnly cookie, so nothing here ever sees an access token. A write that the server refuses with
 * `csrf_failed` fetches a new token and is tried once more; a 401 renews the session once, shared by every caller
 * that runs into it at the same time.
 */

export class ApiError extends Error {
  /** HTTP status; 0 when the server could not be reached. */
  readonly status: number;
  /** Machine code, e.g. `invalid_field`; `network` when the server could not be reached. */
  readonly code: string;
  /** Name of the field at fault, when there is one. */
  readonly field: string | null;
  readonly retryAfterS: number | null;

  constructor(status: number, code: string, message: string, field: string | null, retryAfterS: number | null = null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.field = field;
    this.retryAfterS = retryAfterS;
  }
}

const BASE = '/api/v1';

let csrfToken: string | null = null;
let renewal: Promise<boolean> | null = null;

/** Remember the token that a sign-in answered with. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

/** `"code: field …"` of the envelope, taken apart. */
export function splitMachineCode(error: string): { code: string; field: string | null } {
  const match = /^([a-z0-9_]+)(?::\s*(\S+))?/i.exec(error);
  return { code: match?.[1] ?? 'unknown', field: match?.[2] ?? null };
}

interface Envelope {
  code: number;
  message: string;
  data?: unknown;
  error?: string;
}

function isEnvelope(value: unknown): value is Envelope {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value;
}

async function once(method: string, path: string, body: unknown): Promise<unknown> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  const init: RequestInit = { method, headers, credentials: 'same-origin' };
  if (method !== 'GET' && csrfToken) headers['X-CSRF-Token'] = csrfToken;
  if (body instanceof FormData) {
    init.body = body;
  } else if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(BASE + path, init);
  } catch {
    throw new ApiError(0, 'network', 'the server could not be reached', null);
  }
  let parsed: unknown = null;
  try {
    parsed = await response.json();
  } catch {
    throw new ApiError(response.status, response.ok ? 'bad_answer' : 'server', response.statusText, null);
  }
  if (!isEnvelope(parsed)) throw new ApiError(response.status, 'bad_answer', 'unexpected answer', null);
  if (response.ok) return parsed.data;
  const { code, field } = splitMachineCode(parsed.error ?? 'unknown');
  const retry = Number(response.headers.get('Retry-After'));
  throw new ApiError(response.status, code, parsed.message, field, retry > 0 ? retry : null);
}

async function fetchCsrfToken(): Promise<void> {
  const data = (await once('GET', '/csrf-token', undefined)) as { csrf_token: string };
  csrfToken = data.csrf_token;
}

async function renew(): Promise<boolean> {
  renewal ??= (async () => {
    try {
      if (!csrfToken) await fetchCsrfToken();
      const data = (await once('POST', '/auth/refresh', {})) as { csrf_token?: string };
      if (data.csrf_token) csrfToken = data.csrf_token;
      return true;
    } catch (error) {
      if (error instanceof ApiError) return false;
      throw error;
    } finally {
      renewal = null;
    }
  })();
  return renewal;
}

/** What a 401 with these codes means is "wrong password", not "session over": renewing would not help. */
const NOT_A_SESSION_MATTER = new Set(['invalid_credentials', 'passcode_wrong', 'passcode_required', 'name_required']);

/** One call; answers the envelope's `data` or throws ApiError. */
export async function call<T>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const write = method !== 'GET';
  if (write && !csrfToken && !path.startsWith('/auth/') && path !== '/setup') await fetchCsrfToken().catch(ignoreApiError);
  try {
    return (await once(method, path, body)) as T;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'csrf_failed') {
      await fetchCsrfToken();
      return (await once(method, path, body)) as T;
    }
    const renewable = error.status === 401 && !NOT_A_SESSION_MATTER.has(error.code) && !path.startsWith('/auth/');
    if (renewable && (await renew())) return (await once(method, path, body)) as T;
    throw error;
  }
}

/** A guest has no cookie and so no token: the write itself then says whether one was needed. */
function ignoreApiError(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
}
