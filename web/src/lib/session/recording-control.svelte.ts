/**
 * What the user does about the recording of a running meeting: start, pause, stop, agree.
 *
 * Whoever has an account asks over HTTP. A guest who was made a co-host has none that it would know, and asks on the
 * signaling socket, as for every other thing that hosts do.
 *
 * Owns the calls and what this tab has agreed to; refuses to know the recording's state, which is in the room's view.
 */

import { api } from '../api/endpoints';
import { ApiError } from '../api/client';
import { problemText } from '../api/problem';
import { toasts } from '../app/toasts.svelte';
import type { AnyClientMessage, AnyServerMessage } from '../protocol/messages';
import type { LocalEvent, RoomView } from '../state/room';

/** What is needed of the stay in the room. */
interface Stay {
  readonly view: RoomView;
  readonly grant: { readonly guest: boolean };
  apply(event: LocalEvent): void;
  send(message: AnyClientMessage): void;
}

/** A page that is loaded again need not ask again; another tab, or another person at it later, is asked. */
const CONSENT_KEY = 'parley.recording.consent';

/** Begins the `ref` of what was asked on the socket. */
const REF = 'recording-';

export class RecordingControl {
  /** A call is under way. */
  busy = $state(false);
  readonly #stay: Stay;
  #starting = false;

  constructor(stay: Stay) {
    this.#stay = stay;
  }

  async start(): Promise<void> {
    if (this.#stay.grant.guest) return this.#ask({ type: 'recording_start' });
    await this.#call(async () => {
      const { id } = await api.startRecording(this.#stay.view.meetingId);
      // Who starts it knows; the server takes it so too.
      this.#remember(id);
    });
  }

  async pause(): Promise<void> {
    if (this.#stay.grant.guest) return this.#ask({ type: 'recording_pause', paused: true });
    await this.#call((id) => api.pauseRecording(id));
  }

  async resume(): Promise<void> {
    if (this.#stay.grant.guest) return this.#ask({ type: 'recording_pause', paused: false });
    await this.#call((id) => api.resumeRecording(id));
  }

  async stop(): Promise<void> {
    if (this.#stay.grant.guest) return this.#ask({ type: 'recording_stop' });
    await this.#call((id) => api.stopRecording(id));
  }

  agree(): void {
    const id = this.#stay.view.recording?.recording_id;
    if (id === undefined) return;
    this.#remember(id);
    this.#stay.send({ type: 'recording_consent', accepted: true });
  }

  /** A new session does not know what was agreed to before; a resumed one may have lost the answer with its socket. */
  entered(): void {
    this.#answered();
    const recording = this.#stay.view.recording;
    if (recording?.consent_required && sessionStorage.getItem(CONSENT_KEY) === recording.recording_id) this.agree();
  }

  /** What the room was told; to who asked on the socket it is the answer. */
  told(message: Extract<AnyServerMessage, { type: 'recording' }>): void {
    if (this.#starting && message.state === 'on') this.#remember(message.recording_id);
    this.#answered();
  }

  /** True when the error was the answer to something asked here, and has been shown. */
  refused(error: Extract<AnyServerMessage, { type: 'error' }>): boolean {
    if (!error.ref?.startsWith(REF)) return false;
    this.#answered();
    toasts.show(problemText(new ApiError(400, error.code, error.message, error.field)), 'warn');
    return true;
  }

  #ask(message: AnyClientMessage): void {
    if (this.busy) return;
    this.busy = true;
    this.#starting = message.type === 'recording_start';
    this.#stay.send({ ...message, ref: REF + message.type });
  }

  #answered(): void {
    if (this.#stay.grant.guest) this.busy = false;
    this.#starting = false;
  }

  #remember(recordingId: string): void {
    sessionStorage.setItem(CONSENT_KEY, recordingId);
    this.#stay.apply({ type: 'local-consented', recordingId });
  }

  async #call(work: (recordingId: string) => Promise<unknown>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await work(this.#stay.view.recording?.recording_id ?? '');
    } catch (error) {
      toasts.show(problemText(error), 'warn');
    } finally {
      this.busy = false;
    }
  }
}
