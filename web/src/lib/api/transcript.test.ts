import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TranscriptSegment } from './types';
import { readTranscript } from './transcript';

const said = (number: number): TranscriptSegment => ({
  id: `cap_${number}`, participant_id: 'prt_1', name: 'Ana', text: `phrase ${number}`, language: 'en',
  start_time: `2026-11-28T10:42:0${number}.500Z`, end_time: `2026-11-28T10:42:0${number}.900Z`,
});

let server: Server;
let seen: string[];
const realFetch = globalThis.fetch;

beforeEach(async () => {
  seen = [];
  server = createServer((request, response) => {
    const url = request.url ?? '';
    seen.push(url);
    const first = !url.includes('cursor=');
    const data = first ? { items: [said(1), said(2)], next_cursor: 'a&b' } : { items: [said(3)], next_cursor: null };
    const forbidden = url.includes('/secret/');
    response.writeHead(forbidden ? 403 : 200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify(forbidden ? { code: 403, message: 'no', error: 'forbidden' } : { code: 200, message: 'success', data }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  globalThis.fetch = (input, init) => realFetch(`http://127.0.0.1:${address.port}${String(input)}`, init);
});

afterEach(async () => {
  globalThis.fetch = realFetch;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('a kept transcript', () => {
  it('is read to its end', async () => {
    const phrases = await readTranscript('mtg_1', () => false);
    expect(phrases?.map((one) => one.text)).toEqual(['phrase 1', 'phrase 2', 'phrase 3']);
    expect(phrases?.[0]).toMatchObject({ caption_id: 'cap_1', start_ms: Date.UTC(2026, 10, 28, 10, 42, 1, 500) });
    expect(seen).toEqual(['/api/v1/meetings/mtg_1/transcript?limit=200', '/api/v1/meetings/mtg_1/transcript?limit=200&cursor=a%26b']);
  });

  it('is read no further than somebody waits for it', async () => {
    expect(await readTranscript('mtg_1', () => seen.length > 0)).toBeNull();
    expect(seen).toHaveLength(1);
  });

  it('says who may not', async () => {
    await expect(readTranscript('secret', () => false)).rejects.toMatchObject({ status: 403, code: 'forbidden' });
  });
});
