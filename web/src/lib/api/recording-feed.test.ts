import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseEvents, RecordingFeed } from './recording-feed';

let server: Server;
let streams: ServerResponse[];
let status: number;
const realFetch = globalThis.fetch;

beforeEach(async () => {
  streams = [];
  status = 200;
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(request.url === '/api/v1/recordings/progress' ? status : 404, { 'Content-Type': 'text/event-stream' });
    if (status !== 200) return void response.end('{}');
    response.write('retry: 3000\n\n');
    streams.push(response);
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

/** What a page hears, and a wait for it. */
class Page {
  heard: string[] = [];
  readonly feed = new RecordingFeed({
    changed: (recording) => this.heard.push(`${recording.id} ${recording.status}`),
    removed: (id) => this.heard.push(`${id} gone`),
    live: (open) => this.heard.push(open ? 'live' : 'lost'),
  });

  async until(...wanted: string[]): Promise<void> {
    const deadline = Date.now() + 5_000;
    while (JSON.stringify(this.heard.slice(-wanted.length)) !== JSON.stringify(wanted)) {
      if (Date.now() > deadline) throw new Error(`heard ${this.heard.join()}, not ${wanted.join()}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

describe('the stream of recordings', () => {
  it('is read event by event, wherever it is cut', () => {
    const text = 'retry: 3000\n\n:\n\nevent: recording\ndata: {"a":1}\n\ndata: x\ndata: y\n\nevent: rem';
    expect(parseEvents(text)).toEqual({
      events: [{ type: 'recording', data: '{"a":1}' }, { type: 'message', data: 'x\ny' }], rest: 'event: rem',
    });
    let rest = '';
    const seen: string[] = [];
    for (const character of text) {
      const parsed = parseEvents(rest + character);
      rest = parsed.rest;
      seen.push(...parsed.events.map((one) => one.data));
    }
    expect(seen).toEqual(['{"a":1}', 'x\ny']);
  });

  it('tells changes and removals, and is opened again after its end', async () => {
    const page = new Page();
    page.feed.start();
    page.feed.start();
    await page.until('live');
    streams[0]?.write('event: recording\ndata: {"id":"rec_1","sta');
    streams[0]?.write('tus":"ready"}\n\nevent: removed\ndata: {"id":"rec_2"}\n\n');
    await page.until('rec_1 ready', 'rec_2 gone');
    streams[0]?.end();
    await page.until('lost', 'live');
    expect(streams).toHaveLength(2);
    page.feed.stop();
    await page.until('lost');
    streams[1]?.write('event: removed\ndata: {"id":"rec_3"}\n\n');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(page.heard).not.toContain('rec_3 gone');
  });

  it('says that it is not there, and is quiet about why', async () => {
    status = 503;
    const page = new Page();
    page.feed.start();
    await page.until('lost');
    page.feed.stop();
    expect(page.heard).toEqual(['lost']);
    status = 200;
    page.feed.start();
    await page.until('lost', 'live');
    page.feed.stop();
  });
});
