import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError, call, setCsrfToken, splitMachineCode } from './client';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let answers: Answer[];
let seen: { method: string; url: string; csrf: string | undefined }[];
const realFetch = globalThis.fetch;

function reply(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (_request, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

const ok = (data: unknown): Answer => reply(200, { code: 200, message: 'success', data });

beforeEach(async () => {
  answers = [];
  seen = [];
  setCsrfToken(null);
  server = createServer((request, response) => {
    const csrf = request.headers['x-csrf-token'];
    seen.push({ method: request.method ?? '', url: request.url ?? '', csrf: typeof csrf === 'string' ? csrf : undefined });
    const answer = answers.shift() ?? reply(500, { code: 500, message: 'nothing left', error: 'internal' });
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const origin = `http://127.0.0.1:${address.port}`;
  // A page resolves paths against its origin; Node needs the origin spelt out.
  globalThis.fetch = (input, init) => realFetch(`${origin}${String(input)}`, init);
});

afterEach(async () => {
  globalThis.fetch = realFetch;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('call', () => {
  it('answers the data of the envelope', async () => {
    answers = [ok({ name: 'Parley' })];
    expect(await call('GET', '/info')).toEqual({ name: 'Parley' });
    expect(seen[0]?.url).toBe('/api/v1/info');
  });

  it('names code, field and wait of an error', async () => {
    answers = [reply(429, { code: 429, message: 'slow down', error: 'rate_limited: login' }, { 'Retry-After': '7' })];
    const error = await call('POST', '/auth/login', {}).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 429, code: 'rate_limited', field: 'login', retryAfterS: 7 });
  });

  it('fetches a CSRF token before the first write and sends it', async () => {
    answers = [ok({ csrf_token: 'one' }), ok({})];
    await call('PUT', '/profile', { nickname: 'Ada' });
    expect(seen.map(({ method, csrf }) => [method, csrf])).toEqual([['GET', undefined], ['PUT', 'one']]);
  });

  it('tries a write once more with a new token when the token was refused', async () => {
    setCsrfToken('old');
    answers = [
      reply(403, { code: 403, message: 'no', error: 'csrf_failed' }),
      ok({ csrf_token: 'new' }),
      ok({ done: true }),
    ];
    expect(await call('POST', '/meetings', {})).toEqual({ done: true });
    expect(seen.map(({ csrf }) => csrf)).toEqual(['old', undefined, 'new']);
  });

  it('renews the session once for calls that fail together', async () => {
    setCsrfToken('t');
    const expired = reply(401, { code: 401, message: 'over', error: 'token_expired' });
    answers = [expired, expired, ok({ csrf_token: 't2' }), ok(1), ok(2)];
    await Promise.all([call('GET', '/profile'), call('GET', '/meetings')]);
    expect(seen.filter(({ url }) => url === '/api/v1/auth/refresh')).toHaveLength(1);
  });

  it('does not renew for a wrong password', async () => {
    setCsrfToken('t');
    answers = [reply(401, { code: 401, message: 'no', error: 'invalid_credentials' })];
    await expect(call('POST', '/change-password', {})).rejects.toMatchObject({ code: 'invalid_credentials' });
    expect(seen).toHaveLength(1);
  });

  it('says network when nobody answers', async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await expect(call('GET', '/info')).rejects.toMatchObject({ status: 0, code: 'network' });
  });
});

describe('splitMachineCode', () => {
  it('takes code and field apart', () => {
    expect(splitMachineCode('invalid_field: email is not an address')).toEqual({ code: 'invalid_field', field: 'email' });
    expect(splitMachineCode('forbidden')).toEqual({ code: 'forbidden', field: null });
  });
});
