import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { setCsrfToken } from '../api/client';
import { toasts } from '../app/toasts.svelte';
import { keepVisionAnswer } from '../app/vision-answer';
import type { AnyClientMessage, AnyServerMessage, Participant, VisionState } from '../protocol/messages';
import { emptyView, reduce, type LocalEvent, type RoomView } from '../state/room';
import { asksVision } from '../state/vision';
import { LiveVision } from './live-vision.svelte';

const still = { on: false, available: true, reason: null, since_ms: null, by_name: null };
const on: VisionState = { emotion: { ...still, on: true }, deepfake: still, consented: [], declined: [] };
const host: Participant = {
  participant_id: 'p1', user_id: 'u1', name: 'Ana', avatar_url: null, role: 'host', joined_at_ms: 0, hand_raised_at_ms: null, reconnecting: false, tracks: [],
};
const alert = (id: string): AnyServerMessage => ({
  type: 'vision_alert', alert_id: id, participant_id: 'p2', name: 'Ben', kind: 'face_spoof', score: 0.914, model: 'face-spoof', at_ms: 2_000, has_evidence: true,
});

/** A stay whose server is told what to say. */
class Stay {
  view: RoomView = { ...emptyView, meetingId: 'mtg_1', selfId: 'p1', participants: [host], vision: on };
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

let server: Server;
let seen: string[];
let status: number;
const realFetch = globalThis.fetch;

beforeEach(async () => {
  seen = [];
  status = 200;
  setCsrfToken('t');
  const kept = new Map<string, string>();
  Object.assign(globalThis, {
    sessionStorage: { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) },
  });
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.writeHead(status, { 'Content-Type': 'application/json' });
    const alerts = [{ id: 'alr_0', participant_id: 'p2', name: 'Ben', kind: 'face_spoof', score: 0.9, model: 'm', at: new Date(1_000).toISOString(), has_evidence: true }];
    response.end(JSON.stringify({ code: status, ...(status < 300 ? { message: 'success', data: { alerts } } : { message: 'no', error: 'not_found' }) }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  globalThis.fetch = (input, init) => realFetch(`http://127.0.0.1:${address.port}${String(input)}`, init);
});

afterEach(async () => {
  globalThis.fetch = realFetch;
  for (const toast of toasts.list) toasts.dismiss(toast.id);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('whether one’s own picture may be analysed', () => {
  it('is answered on the socket, and may be changed', () => {
    const stay = new Stay();
    const live = new LiveVision(stay);
    live.answer(true);
    live.answer(false);
    expect(stay.sent).toEqual([{ type: 'vision_consent', accepted: true }, { type: 'vision_consent', accepted: false }]);
    expect([asksVision(stay.view), stay.view.visionAnswer]).toEqual([false, false]);
  });

  it('is answered again by itself in a new session of the tab, for this meeting alone', () => {
    keepVisionAnswer('mtg_1', false);
    for (const [meetingId, answers] of [['mtg_1', [false]], ['mtg_2', []]] as const) {
      const stay = new Stay();
      stay.view = { ...stay.view, meetingId };
      new LiveVision(stay).entered();
      expect(stay.sent.map((one) => 'accepted' in one && one.accepted), meetingId).toEqual(answers);
    }
  });

  it('is not answered where nobody asks', () => {
    keepVisionAnswer('mtg_1', true);
    const stay = new Stay();
    stay.view = { ...stay.view, vision: { ...on, emotion: still } };
    new LiveVision(stay).entered();
    expect(stay.sent).toEqual([]);
  });
});

describe('the switches', () => {
  it('leave each other as they are', () => {
    const stay = new Stay();
    const live = new LiveVision(stay);
    live.set('emotion', true);
    live.set('deepfake', false);
    expect(stay.sent).toEqual([
      { type: 'vision', emotion: true, deepfake: null, ref: 'vision-emotion' },
      { type: 'vision', emotion: null, deepfake: false, ref: 'vision-deepfake' },
    ]);
  });

  it('say why one did not go', () => {
    const live = new LiveVision(new Stay());
    const error = { type: 'error', code: 'vision_unavailable', message: 'no', field: 'emotion', ref: 'act-1', retry_after_s: null, fatal: false } as const;
    expect([live.refused(error), live.refused({ ...error, ref: 'vision-emotion' })]).toEqual([false, true]);
    expect(toasts.list.at(-1)).toMatchObject({ tone: 'warn', text: expect.stringContaining('not available') });
  });
});

describe('alerts', () => {
  it('come with a way to their evidence', () => {
    const live = new LiveVision(new Stay());
    live.received(alert('alr_1'));
    const toast = toasts.list.at(-1);
    expect(toast).toMatchObject({ tone: 'warn', text: 'Ben: may be a picture of a picture (score 0.91)', action: { label: 'Look' } });
    toast?.action?.act();
    expect(live.shown?.id).toBe('alr_1');
    expect(toasts.list).toEqual([]);
  });

  it('of before are read by hosts with an account, and by nobody else', async () => {
    for (const [stay, ids] of [[new Stay(), ['alr_1', 'alr_0']], [new Stay(true), ['alr_1']]] as const) {
      const live = new LiveVision(stay);
      live.received(alert('alr_1'));
      await live.readAlerts();
      expect(live.board.alerts.map((one) => one.id)).toEqual(ids);
    }
    const guest = new Stay();
    guest.view = { ...guest.view, participants: [{ ...host, role: 'participant' }] };
    await new LiveVision(guest).readAlerts();
    expect(seen).toEqual(['GET /api/v1/meetings/mtg_1/alerts']);
  });

  it('that could not be read are said to be', async () => {
    const live = new LiveVision(new Stay());
    status = 500;
    await live.readAlerts();
    expect(live.unread).toBe(true);
    status = 200;
    await live.readAlerts();
    expect([live.unread, live.board.alerts.length]).toEqual([false, 1]);
  });

  it('are dismissed for all hosts; one that is gone already is dismissed, too', async () => {
    const live = new LiveVision(new Stay());
    for (const [id, answer, gone] of [['alr_1', 200, true], ['alr_2', 404, true], ['alr_3', 403, false]] as const) {
      live.received(alert(id));
      const found = live.board.alerts.find((one) => one.id === id);
      if (!found) throw new Error(`no ${id}`);
      status = answer;
      expect(await live.dismiss(found), id).toBe(gone);
      expect(live.board.alerts.some((one) => one.id === id), id).toBe(!gone);
    }
    expect(seen).toEqual(['alr_1', 'alr_2', 'alr_3'].map((id) => `DELETE /api/v1/alerts/${id}`));
    expect(live.busy).toBe(false);
  });
});
