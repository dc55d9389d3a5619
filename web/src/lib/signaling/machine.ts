/**
 * The client's side of a signaling session, without any I/O: when to open a socket, whether to resume or to join
 * again, how long to wait, what to send again.
 *
 * Owns every transition; refuses to know sockets and clocks: times come in as milliseconds, jitter as a number from
 * 0 to 1. Call a method, then drain `outputs()`.
 *
 *   idle → connecting ⇄ waiting        connecting → joined → waiting (socket lost)        any → closed
 */

import type { AnyClientMessage, AnyServerMessage, Chat, Joined } from '../protocol/messages';

export type CloseReason =
  | 'left'
  | 'ended'
  | 'kicked'
  | 'replaced'
  | 'gone'
  | 'refused';

export type Phase =
  | { readonly name: 'idle' }
  | { readonly name: 'connecting'; readonly resuming: boolean; readonly first: boolean }
  | { readonly name: 'joined' }
  | {
      readonly name: 'waiting';
      readonly resuming: boolean;
      readonly nextTryMs: number;
      /** Until when the server keeps our place; null when it does not. */
      readonly placeUntilMs: number | null;
    }
  | { readonly name: 'closed'; readonly reason: CloseReason; readonly code: string; readonly message: string };

export type Output =
  | { readonly do: 'open' }
  | { readonly do: 'close' }
  | { readonly do: 'send'; readonly message: AnyClientMessage }
  | { readonly do: 'deliver'; readonly message: AnyServerMessage }
  /** After a resume every frame that was missed has been delivered. */
  | { readonly do: 'settled' }
  | { readonly do: 'phase'; readonly phase: Phase };

/** First wait; the socket often comes back at once. */
const FIRST_RETRY_MS = 300;
/** Longest wait between two tries, so that a server is found within seconds of its return. */
const LONGEST_RETRY_MS = 8_000;
/** A socket that did not open and answer in this time is given up. TCP and TLS take 3 round trips, 2 s on a bad net. */
const CONNECT_WITHIN_MS = 8_000;
/** After this long without a session the page says so and stops; a restart takes seconds, an upgrade a few minutes. */
const GIVE_UP_AFTER_MS = 300_000;
/** Frames kept for sending while there is no socket. */
const MAX_QUEUED = 100;

const KEPT_WHILE_LOST = new Set<AnyClientMessage['type']>([
  'chat',
  'mute',
  'raise_hand',
  'subscribe',
  'set_role',
  'lower_hand',
  'lock_meeting',
  'mute_participant',
  'recording_consent',
  'vision_consent',
]);

export class SessionMachine {
  readonly #room: string;
  readonly #token: () => string;
  readonly #maxSeats: number;
  #outputs: Output[] = [];
  #phase: Phase = { name: 'idle' };
  #session: { id: string; resumeToken: string; resumeWithinMs: number; heartbeatMs: number } | null = null;
  #lastSeq = 0;
  #attempt = 0;
  #lostSinceMs: number | null = null;
  #deadlineMs = 0;
  #lastHeardMs = 0;
  #lastPingMs = 0;
  #barrier: number | null = null;
  #queue: AnyClientMessage[] = [];
  #unconfirmed = new Map<string, { message: Chat; sentAtMs: number }>();
  #everJoined = false;

  constructor(room: string, token: () => string, maxSeats: number) {
    this.#room = room;
    this.#token = token;
    this.#maxSeats = maxSeats;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** What to do now, oldest first; empties the list. */
  outputs(): Output[] {
    const list = this.#outputs;
    this.#outputs = [];
    return list;
  }

  start(nowMs: number): void {
    this.#lostSinceMs = nowMs;
    this.#connect(nowMs, false);
  }

  socketOpened(nowMs: number): void {
    if (this.#phase.name !== 'connecting') return;
    this.#lastHeardMs = nowMs;
    if (this.#phase.resuming && this.#session) {
      this.#emitSend({
        type: 'resume',
        session_id: this.#session.id,
        resume_token: this.#session.resumeToken,
        last_seq: this.#lastSeq,
      });
      return;
    }
    this.#emitSend({
      type: 'join',
      room: this.#room,
      token: this.#token(),
      capabilities: { max_seats: this.#maxSeats, data_channel: true },
    });
  }

  socketClosed(nowMs: number, random: number): void {
    if (this.#phase.name === 'joined' || this.#phase.name === 'connecting') this.#lost(nowMs, random);
  }

  received(message: AnyServerMessage, nowMs: number, random: number): void {
    if (this.#phase.name === 'closed' || this.#phase.name === 'waiting') return;
    this.#lastHeardMs = nowMs;
    if (message.seq !== undefined) this.#lastSeq = Math.max(this.#lastSeq, message.seq);
    if ('ref' in message && message.ref) this.#unconfirmed.delete(message.ref);
    switch (message.type) {
      case 'joined':
        this.#joined(message, nowMs);
        return;
      case 'resumed':
        this.#found();
        this.#output({ do: 'deliver', message });
        this.#barrier = nowMs;
        this.#ping(nowMs);
        return;
      case 'pong':
        if (this.#barrier !== null && message.time_ms === this.#barrier) this.#settle(nowMs);
        return;
      case 'heartbeat':
        return;
      case 'room-closed':
        this.#roomClosed(message.reason, message.message, message.reconnect_after_s, nowMs, random);
        return;
      case 'error':
        if (this.#phase.name === 'connecting') this.#refused(message.code, message.message, message.retry_after_s, nowMs);
        else {
          this.#output({ do: 'deliver', message });
          // A fatal error ends the socket; the session may still be there to resume.
          if (message.fatal) this.#lost(nowMs, random);
        }
        return;
      default:
        this.#output({ do: 'deliver', message });
    }
  }

  /** Call about once a second. */
  tick(nowMs: number, random: number): void {
    const phase = this.#phase;
    if (phase.name === 'joined' && this.#session) {
      // One heart-beat may be late by another; two missing mean that nobody is there.
      if (nowMs - this.#lastHeardMs > 2 * this.#session.heartbeatMs + 2_000) this.#lost(nowMs, random);
      else if (nowMs - this.#lastPingMs >= this.#session.heartbeatMs) this.#ping(nowMs);
    } else if (phase.name === 'connecting' && nowMs >= this.#deadlineMs) {
      this.#lost(nowMs, random);
    } else if (phase.name === 'waiting') {
      if (this.#lostSinceMs !== null && nowMs - this.#lostSinceMs > GIVE_UP_AFTER_MS) {
        this.#close('gone', 'gone', '');
      } else if (nowMs >= phase.nextTryMs) {
        this.#connect(nowMs, this.#canResume(nowMs));
      }
    }
  }

  /** The network is back, or the user wants no more waiting. */
  retryNow(nowMs: number): void {
    if (this.#phase.name === 'waiting') this.#connect(nowMs, this.#canResume(nowMs));
  }

  /** The network changed under a socket that may not have noticed: ask for a sign of life soon. */
  probe(nowMs: number): void {
    if (this.#phase.name === 'joined' && this.#session) {
      this.#ping(nowMs);
      this.#lastHeardMs = Math.min(this.#lastHeardMs, nowMs - 2 * this.#session.heartbeatMs);
    }
  }

  send(message: AnyClientMessage, nowMs: number): void {
    if (message.type === 'chat' && message.ref) this.#unconfirmed.set(message.ref, { message, sentAtMs: nowMs });
    if (this.#phase.name === 'joined' && this.#barrier === null) {
      this.#emitSend(message);
    } else if (KEPT_WHILE_LOST.has(message.type) && message.type !== 'chat') {
      this.#queue = [...this.#queue.filter((held) => !replaces(message, held)), message].slice(-MAX_QUEUED);
    } else if (this.#phase.name === 'joined' && message.type !== 'chat') {
      this.#emitSend(message);
    }
  }

  leave(): void {
    if (this.#phase.name === 'joined') this.#emitSend({ type: 'leave' });
    this.#close('left', 'left', '');
  }

  #joined(message: Joined, nowMs: number): void {
    this.#session = {
      id: message.session_id,
      resumeToken: message.resume_token,
      resumeWithinMs: message.resume_within_s * 1000,
      heartbeatMs: message.heartbeat_s * 1000,
    };
    this.#lastSeq = message.seq ?? 0;
    this.#queue = [];
    this.#found();
    this.#lastPingMs = nowMs;
    this.#output({ do: 'deliver', message });
    // What was stored before the session was lost is in the list already.
    for (const [ref, { message: line, sentAtMs }] of this.#unconfirmed) {
      const stored = message.chat.some((held) => held.text === line.text && held.sent_at_ms >= sentAtMs - 5_000);
      if (stored) this.#unconfirmed.delete(ref);
      else this.#emitSend(line);
    }
    this.#everJoined = true;
  }

  #found(): void {
    this.#attempt = 0;
    this.#lostSinceMs = null;
    this.#setPhase({ name: 'joined' });
  }

  #settle(nowMs: number): void {
    this.#barrier = null;
    this.#lastHeardMs = nowMs;
    this.#output({ do: 'settled' });
    for (const { message } of this.#unconfirmed.values()) this.#emitSend(message);
    for (const message of this.#queue) this.#emitSend(message);
    this.#queue = [];
  }

  #ping(nowMs: number): void {
    this.#lastPingMs = nowMs;
    this.#emitSend({ type: 'ping', time_ms: nowMs });
  }

  #connect(nowMs: number, resuming: boolean): void {
    this.#attempt += 1;
    this.#deadlineMs = nowMs + CONNECT_WITHIN_MS;
    this.#setPhase({ name: 'connecting', resuming, first: !this.#everJoined });
    this.#output({ do: 'open' });
  }

  #canResume(nowMs: number): boolean {
    if (!this.#session || this.#lostSinceMs === null) return false;
    return nowMs - this.#lostSinceMs < this.#session.resumeWithinMs;
  }

  #lost(nowMs: number, random: number): void {
    this.#lostSinceMs ??= nowMs;
    this.#barrier = null;
    const wait = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.max(0, this.#attempt - 1));
    this.#wait(nowMs, wait * (0.5 + random));
  }

  #wait(nowMs: number, waitMs: number): void {
    this.#output({ do: 'close' });
    const resuming = this.#canResume(nowMs);
    this.#setPhase({
      name: 'waiting',
      resuming,
      nextTryMs: nowMs + waitMs,
      placeUntilMs: resuming && this.#session ? (this.#lostSinceMs ?? nowMs) + this.#session.resumeWithinMs : null,
    });
  }

  #refused(code: string, text: string, retryAfterS: number | null, nowMs: number): void {
    const resuming = this.#phase.name === 'connecting' && this.#phase.resuming;
    if (resuming) {
      // The server restarted or gave our place away: come in again by the door.
      this.#session = null;
      this.#wait(nowMs, 0);
    } else if (retryAfterS !== null) {
      this.#wait(nowMs, retryAfterS * 1000);
    } else {
      this.#close('refused', code, text);
    }
  }

  #roomClosed(reason: string, text: string, backAfterS: number | null, nowMs: number, random: number): void {
    if (backAfterS === null && reason !== 'server_stopping') {
      this.#close(reason === 'kicked' ? 'kicked' : reason === 'replaced' ? 'replaced' : 'ended', reason, text);
      return;
    }
    this.#session = null;
    this.#lostSinceMs = nowMs;
    this.#wait(nowMs, ((backAfterS ?? 1) + random) * 1000);
  }

  #close(reason: CloseReason, code: string, message: string): void {
    this.#output({ do: 'close' });
    this.#setPhase({ name: 'closed', reason, code, message });
  }

  #setPhase(phase: Phase): void {
    this.#phase = phase;
    this.#output({ do: 'phase', phase });
  }

  #emitSend(message: AnyClientMessage): void {
    this.#output({ do: 'send', message });
  }

  #output(output: Output): void {
    this.#outputs.push(output);
  }
}

/** True when sending `later` makes the queued `held` pointless. */
function replaces(later: AnyClientMessage, held: AnyClientMessage): boolean {
  if (later.type !== held.type) return false;
  if (later.type === 'mute' && held.type === 'mute') return later.source === held.source;
  return ['subscribe', 'raise_hand', 'lock_meeting', 'recording_consent', 'vision_consent'].includes(later.type);
}
