import { describe, expect, it } from 'vitest';
import type { AnyServerMessage, CaptionsState, ChatMessage, Joined } from '../protocol/messages';
import { SessionMachine, type Output } from './machine';

const captions: CaptionsState = {
  on: false, available: false, reason: 'ai_disabled', language: 'auto', languages: [], transcript: false, report_at: null, voices: false, since_ms: null, by_name: null,
};
const still = { on: false, available: true, reason: null, since_ms: null, by_name: null };
const joined = (change: Partial<Joined> = {}): Joined => ({
  type: 'joined',
  seq: 1,
  session_id: 's1',
  resume_token: 'r1',
  resume_within_s: 30,
  heartbeat_s: 5,
  participant_id: 'p1',
  room: { meeting_id: 'm1', code: 'abc-defg-hij', title: 'T', started_at_ms: 1, locked: false, max_participants: 9, participants: [], recording: null, captions },
  need_media: { seats: 4, audio_seats: 0 },
  ice_servers: [],
  chat: [],
  captions: [],
  vision: { emotion: still, deepfake: still, consented: [], declined: [] },
  ref: null,
  ...change,
});

const chatPosted = (ref: string | null, text: string, sentAtMs = 0): AnyServerMessage => ({ type: 'chat', seq: 9, ref, message: line(text, sentAtMs) });
const line = (text: string, sentAtMs: number): ChatMessage => ({ chat_seq: 1, message_id: 'c', participant_id: 'p1', user_id: null, name: 'A', text, sent_at_ms: sentAtMs });
const failure = (code: string, change: Partial<Extract<AnyServerMessage, { type: 'error' }>> = {}): AnyServerMessage => ({
  type: 'error', code, message: code, field: null, ref: null, retry_after_s: null, fatal: true, ...change,
});

/** Outputs as one word each: what to do, and which message. */
const words = (outputs: Output[]): string[] =>
  outputs.filter((one) => one.do !== 'phase').map((one) => ('message' in one ? `${one.do} ${one.message.type}` : one.do));

function inTheRoom(at = 0): SessionMachine {
  const machine = new SessionMachine('m1', () => 'token', 49);
  machine.start(at);
  machine.socketOpened(at);
  machine.received(joined(), at, 0.5);
  machine.outputs();
  return machine;
}

describe('joining', () => {
  it('opens, joins with the token and is in', () => {
    const machine = new SessionMachine('m1', () => 'token', 49);
    machine.start(0);
    expect(words(machine.outputs())).toEqual(['open']);
    machine.socketOpened(10);
    expect(machine.outputs()).toEqual([
      { do: 'send', message: { type: 'join', room: 'm1', token: 'token', capabilities: { max_seats: 49, data_channel: true } } },
    ]);
    machine.received(joined(), 20, 0.5);
    expect(words(machine.outputs())).toEqual(['deliver joined']);
    expect(machine.phase.name).toBe('joined');
  });

  it('is closed with the code when the server refuses', () => {
    const machine = new SessionMachine('m1', () => 'token', 49);
    machine.start(0);
    machine.socketOpened(0);
    machine.received(failure('meeting_full'), 1, 0.5);
    expect(machine.phase).toMatchObject({ name: 'closed', reason: 'refused', code: 'meeting_full' });
  });

  it('waits as long as the server asks when it is busy', () => {
    const machine = new SessionMachine('m1', () => 'token', 49);
    machine.start(0);
    machine.socketOpened(0);
    machine.received(failure('rate_limited', { retry_after_s: 3 }), 0, 0.5);
    expect(machine.phase).toMatchObject({ name: 'waiting', nextTryMs: 3_000 });
  });
});

describe('a lost socket', () => {
  it('resumes with the last frame that was handled', () => {
    const machine = inTheRoom();
    machine.received({ type: 'need_media', seq: 7, need: { seats: 9, audio_seats: 0 } }, 100, 0.5);
    machine.outputs();
    machine.socketClosed(1_000, 0.5);
    expect(machine.phase).toMatchObject({ name: 'waiting', resuming: true, placeUntilMs: 31_000, nextTryMs: 1_300 });
    machine.tick(1_300, 0.5);
    machine.socketOpened(1_310);
    expect(machine.outputs().filter((one) => one.do === 'send')).toEqual([
      { do: 'send', message: { type: 'resume', session_id: 's1', resume_token: 'r1', last_seq: 7 } },
    ]);
    machine.received({ type: 'resumed', session_id: 's1', replayed: 0, media_connected: true, ref: null }, 1_320, 0.5);
    expect(machine.phase.name).toBe('joined');
    expect(words(machine.outputs())).toEqual(['deliver resumed', 'send ping']);
    machine.received({ type: 'pong', time_ms: 1_320, server_time_ms: 0 }, 1_330, 0.5);
    expect(words(machine.outputs())).toEqual(['settled']);
  });

  it('waits longer each time, with jitter, and never longer than 12 s', () => {
    const machine = inTheRoom();
    machine.socketClosed(0, 0.5);
    let now = 0;
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      const phase = machine.phase;
      if (phase.name !== 'waiting') throw new Error(phase.name);
      waits.push(phase.nextTryMs - now);
      now = phase.nextTryMs;
      machine.tick(now, 0.5);
      machine.socketClosed(now, 0.5);
    }
    expect(waits).toEqual([300, 300, 600, 1_200, 2_400, 4_800, 8_000, 8_000]);
    machine.tick(now + 8_000, 1);
    machine.socketClosed(now + 8_000, 1);
    expect(machine.phase).toMatchObject({ nextTryMs: now + 8_000 + 12_000 });
  });

  it('joins again when the place was given away', () => {
    const machine = inTheRoom();
    machine.socketClosed(0, 0.5);
    machine.tick(300, 0.5);
    machine.socketOpened(310);
    machine.outputs();
    machine.received(failure('session_unknown'), 320, 0.5);
    expect(machine.phase).toMatchObject({ name: 'waiting', resuming: false, placeUntilMs: null });
    machine.tick(330, 0.5);
    machine.socketOpened(340);
    expect(words(machine.outputs())).toContain('send join');
  });

  it('does not try to resume after the time for it', () => {
    const machine = inTheRoom();
    machine.socketClosed(0, 0.5);
    machine.tick(31_000, 0.5);
    machine.socketOpened(31_010);
    expect(words(machine.outputs())).toContain('send join');
  });

  it('gives up after five minutes', () => {
    const machine = inTheRoom();
    machine.socketClosed(0, 0.5);
    machine.tick(300_001, 0.5);
    expect(machine.phase).toMatchObject({ name: 'closed', reason: 'gone' });
  });

  it('is noticed when nothing is heard for two heart-beats', () => {
    const machine = inTheRoom();
    machine.tick(12_000, 0.5);
    expect(machine.phase.name).toBe('joined');
    machine.tick(12_001, 0.5);
    expect(machine.phase.name).toBe('waiting');
  });
});

describe('heart-beat', () => {
  it('pings once per period', () => {
    const machine = inTheRoom();
    machine.tick(4_999, 0.5);
    expect(words(machine.outputs())).toEqual([]);
    machine.tick(5_000, 0.5);
    expect(words(machine.outputs())).toEqual(['send ping']);
    machine.tick(5_250, 0.5);
    expect(words(machine.outputs())).toEqual([]);
  });
});

describe('what is sent while the socket is lost', () => {
  it('goes out after the resume: the newest mute per source, a consent, no old offer', () => {
    const machine = inTheRoom();
    machine.socketClosed(0, 0.5);
    machine.send({ type: 'mute', source: 'camera', muted: true }, 1);
    machine.send({ type: 'mute', source: 'microphone', muted: true }, 2);
    machine.send({ type: 'mute', source: 'microphone', muted: false }, 3);
    machine.send({ type: 'offer', sdp: 'v=0', negotiation: 2 }, 4);
    machine.send({ type: 'recording_consent', accepted: true }, 5);
    machine.tick(300, 0.5);
    machine.socketOpened(300);
    machine.received({ type: 'resumed', session_id: 's1', replayed: 0, media_connected: true, ref: null }, 300, 0.5);
    machine.outputs();
    machine.received({ type: 'pong', time_ms: 300, server_time_ms: 0 }, 310, 0.5);
    const sent = machine.outputs().flatMap((one) => (one.do === 'send' ? [one.message] : []));
    expect(sent).toEqual([
      { type: 'mute', source: 'camera', muted: true },
      { type: 'mute', source: 'microphone', muted: false },
      { type: 'recording_consent', accepted: true },
    ]);
  });

  it('sends a chat line again that was never confirmed, and not one that was', () => {
    const machine = inTheRoom();
    machine.send({ type: 'chat', text: 'one', ref: 'c1' }, 0);
    machine.send({ type: 'chat', text: 'two', ref: 'c2' }, 0);
    machine.socketClosed(10, 0.5);
    machine.tick(400, 0.5);
    machine.socketOpened(400);
    machine.received({ type: 'resumed', session_id: 's1', replayed: 1, media_connected: true, ref: null }, 400, 0.5);
    machine.received(chatPosted('c1', 'one'), 401, 0.5);
    machine.outputs();
    machine.received({ type: 'pong', time_ms: 400, server_time_ms: 0 }, 402, 0.5);
    expect(machine.outputs().flatMap((one) => (one.do === 'send' && one.message.type === 'chat' ? [one.message.text] : []))).toEqual(['two']);
  });

  it('after a new join sends only lines that the room does not hold', () => {
    const machine = inTheRoom();
    machine.send({ type: 'chat', text: 'stored', ref: 'c1' }, 100_000);
    machine.send({ type: 'chat', text: 'lost', ref: 'c2' }, 100_000);
    machine.received({ type: 'room-closed', reason: 'server_stopping', message: '', reconnect_after_s: 1 }, 100_010, 0);
    machine.tick(101_010, 0);
    machine.socketOpened(101_020);
    machine.outputs();
    machine.received(joined({ session_id: 's2', chat: [line('stored', 100_001)] }), 101_030, 0);
    expect(machine.outputs().flatMap((one) => (one.do === 'send' && one.message.type === 'chat' ? [one.message.text] : []))).toEqual(['lost']);
  });
});

describe('the end', () => {
  it.each([
    ['ended', 'ended'],
    ['kicked', 'kicked'],
    ['replaced', 'replaced'],
  ] as const)('room-closed %s closes for good', (reason, expected) => {
    const machine = inTheRoom();
    machine.received({ type: 'room-closed', reason, message: '', reconnect_after_s: null }, 1, 0.5);
    expect(machine.phase).toMatchObject({ name: 'closed', reason: expected });
    machine.socketClosed(2, 0.5);
    machine.tick(60_000, 0.5);
    expect(machine.phase.name).toBe('closed');
  });

  it('comes back when the server restarts', () => {
    const machine = inTheRoom();
    machine.received({ type: 'room-closed', reason: 'server_stopping', message: '', reconnect_after_s: 2 }, 0, 0.25);
    expect(machine.phase).toMatchObject({ name: 'waiting', resuming: false, nextTryMs: 2_250 });
  });

  it('says goodbye', () => {
    const machine = inTheRoom();
    machine.leave();
    expect(words(machine.outputs())).toEqual(['send leave', 'close']);
    expect(machine.phase).toMatchObject({ name: 'closed', reason: 'left' });
  });
});
