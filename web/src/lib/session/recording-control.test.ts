import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setCsrfToken } from '../api/client';
import { toasts } from '../app/toasts.svelte';
import type { AnyClientMessage, AnyServerMessage } from '../protocol/messages';
import { asksConsent, emptyView, reduce, type LocalEvent, type RoomView } from '../state/room';
import { RecordingControl } from './recording-control.svelte';

/** A stay whose server is told what to say. */
class Stay {
  view: RoomView = { ...emptyView, meetingId: 'mtg_1' };
  sent: AnyClientMessage[] = [];
  readonly grant: { guest: boolean };

  constructor(guest = false) {
    this.grant = { guest };
  }

  apply(event: LocalEvent | AnyServerMessage): void {
    this.view = reduce(this.view, event);
  }

  send(message: AnyClientMessage): void {
    this.sent.push(message);
  }
}

const told = (id: string): AnyServerMessage => ({
  type: 'recording', state: 'on', recording_id: id, since_ms: 1, by_name: 'Ana', reason: null, consent_required: true,
});

let server: Server;
let seen: string[];
let status: number;
const realFetch = globalThis.fetch;

beforeEach(async () => {
  seen = [];
  status = 201;
  setCsrfToken('t');
  const kept = new Map<string, string>();
  Object.assign(globalThis, {
    sessionStorage: { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) },
  });
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.writeHead(status, { 'Content-Type': 'application/json' });
    const answer = status < 300 ? { message: 'success', data: { id: 'rec_1' } } : { message: 'no space', error: 'disk_full' };
    response.end(JSON.stringify({ code: status, ...answer }));
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

describe('the recording of a meeting', () => {
  it('is not asked of who starts it, and asked of everybody else', async () => {
    const host = new Stay();
    await new RecordingControl(host).start();
    host.apply(told('rec_1'));
    const guest = new Stay();
    guest.apply(told('rec_1'));
    expect([asksConsent(host.view), asksConsent(guest.view)]).toEqual([false, true]);
    new RecordingControl(guest).agree();
    expect(asksConsent(guest.view)).toBe(false);
    expect(guest.sent).toEqual([{ type: 'recording_consent', accepted: true }]);
  });

  it('is paused, resumed and stopped by its id', async () => {
    const host = new Stay();
    const control = new RecordingControl(host);
    host.apply(told('rec_1'));
    await control.pause();
    await control.resume();
    await control.stop();
    expect(seen).toEqual(['pause', 'resume', 'stop'].map((verb) => `POST /api/v1/recordings/rec_1/${verb}`));
  });

  it('is agreed to again by itself in a new session of the same tab, but not the next recording', () => {
    const before = new Stay();
    before.apply(told('rec_1'));
    new RecordingControl(before).agree();
    for (const [id, messages] of [['rec_1', 1], ['rec_2', 0]] as const) {
      const after = new Stay();
      after.apply(told(id));
      new RecordingControl(after).entered();
      expect(after.sent, id).toHaveLength(messages);
    }
  });

  it('is asked for on the socket by a guest who is a co-host', async () => {
    const guest = new Stay(true);
    const control = new RecordingControl(guest);
    await control.start();
    expect([control.busy, guest.sent]).toEqual([true, [{ type: 'recording_start', ref: 'recording-recording_start' }]]);
    await control.stop();
    expect(guest.sent).toHaveLength(1);
    const on = told('rec_1');
    guest.apply(on);
    control.told(on as Extract<AnyServerMessage, { type: 'recording' }>);
    expect([control.busy, asksConsent(guest.view)]).toEqual([false, false]);
    await control.pause();
    control.told(on as Extract<AnyServerMessage, { type: 'recording' }>);
    await control.resume();
    control.entered();
    await control.stop();
    expect(guest.sent.slice(1).filter((one) => one.type !== 'recording_consent')).toEqual([
      { type: 'recording_pause', paused: true, ref: 'recording-recording_pause' },
      { type: 'recording_pause', paused: false, ref: 'recording-recording_pause' },
      { type: 'recording_stop', ref: 'recording-recording_stop' },
    ]);
    const error = { type: 'error', code: 'disk_full', message: 'no', field: null, ref: 'recording-recording_stop', retry_after_s: null, fatal: false } as const;
    expect([control.refused({ ...error, ref: 'act-1' }), control.busy]).toEqual([false, true]);
    expect([control.refused(error), control.busy]).toEqual([true, false]);
    expect(toasts.list.at(-1)).toMatchObject({ tone: 'warn', text: expect.stringContaining('disk is full') });
    expect(seen).toEqual([]);
  });

  it('says why it did not start', async () => {
    status = 507;
    const host = new Stay();
    const control = new RecordingControl(host);
    await control.start();
    expect(toasts.list.at(-1)).toMatchObject({ tone: 'warn', text: expect.stringContaining('disk is full') });
    expect(control.busy).toBe(false);
  });
});
