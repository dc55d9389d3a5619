/**
 * Captions of the meeting as one sits in it: keeps the board up to date with time and messages, asks the server for
 * captions on or off. Owns the timer; refuses to know what stands where, which is in state/captions.
 */

import { captionPreferences } from '../app/caption-preferences.svelte';
import type { AnyClientMessage, AnyServerMessage } from '../protocol/messages';
import { emptyBoard, nextChangeMs, reduceCaptions, type CaptionsBoard, type Tick } from '../state/captions';

/** What is needed of the stay in the room. */
interface Stay {
  send(message: AnyClientMessage): void;
}

export class LiveCaptions {
  board = $state.raw<CaptionsBoard>(emptyBoard);
  readonly preferences = captionPreferences;
  readonly #stay: Stay;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(stay: Stay, now: () => number = () => performance.now()) {
    this.#stay = stay;
    this.#now = now;
  }

  received(message: AnyServerMessage): void {
    // A new stay knows nothing of the microphone.
    if (message.type === 'joined') this.#shareAgain(message.room.captions.voices);
    this.#apply(message);
  }

  /** For everybody; hosts and co-hosts may. */
  set(on: boolean, language: string | null = null): void {
    this.#stay.send({ type: 'set_captions', on, language });
  }

  /** Others speak into this microphone too, or no longer; the device keeps it. */
  share(shared: boolean): void {
    this.preferences.change({ sharedMicrophone: shared });
    this.#stay.send({ type: 'share_microphone', shared });
  }

  #shareAgain(voices: boolean): void {
    if (voices && this.preferences.current.sharedMicrophone) this.#stay.send({ type: 'share_microphone', shared: true });
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #apply(event: AnyServerMessage | Tick): void {
    const next = reduceCaptions(this.board, event, this.#now());
    if (next === this.board) return;
    this.board = next;
    this.close();
    const atMs = nextChangeMs(next);
    // Timers may be a little early: the next one is set then, never sooner than in a few milliseconds.
    if (atMs !== null) this.#timer = setTimeout(() => this.#tick(), Math.max(4, atMs - this.#now()));
  }

  #tick(): void {
    this.#timer = null;
    const before = this.board;
    this.#apply({ type: 'local-tick' });
    if (this.board === before && nextChangeMs(before) !== null) this.#timer = setTimeout(() => this.#tick(), 4);
  }
}
