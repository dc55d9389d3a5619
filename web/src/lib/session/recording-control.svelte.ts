/**
 * What the user does about the recording of a running meeting: start, pause, stop, agree.
 *
 * Owns the calls and what this tab has agreed to; refuses to know the recording's state, which is in the room's view.
 */

import { api } from '../api/endpoints';
import { problemText } from '../api/problem';
import { toasts } from '../app/toasts.svelte';
import type { AnyClientMessage } from '../protocol/messages';
import type { LocalEvent, RoomView } from '../state/room';

/** What is needed of the stay in the room. */
interface Stay {
  readonly view: RoomView;
  apply(event: LocalEvent): void;
  send(message: AnyClientMessage): void;
}

/** A page that is loaded again need not ask again; another tab, or another person at it later, is asked. */
const CONSENT_KEY = 'parley.recording.consent';

export class RecordingControl {
  /** A call is under way. */
  busy = $state(false);
  readonly #stay: Stay;

  constructor(stay: Stay) {
    this.#stay = stay;
  }

  async start(): Promise<void> {
    await this.#call(async () => {
      const { id } = await api.startRecording(this.#stay.view.meetingId);
      // Who starts it knows; the server takes it so too.
      this.#remember(id);
    });
  }

  async pause(): Promise<void> {
    await this.#call((id) => api.pauseRecording(id));
  }

  async resume(): Promise<void> {
    await this.#call((id) => api.resumeRecording(id));
  }

  async stop(): Promise<void> {
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
    const recording = this.#stay.view.recording;
    if (recording?.consent_required && sessionStorage.getItem(CONSENT_KEY) === recording.recording_id) this.agree();
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
