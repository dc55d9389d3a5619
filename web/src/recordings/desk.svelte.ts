/**
 * What can be done about recordings from a list and from a player alike. Owns which question is open and the calls
 * that need none; refuses to know who shows the recordings.
 */

import { api } from '../lib/api/endpoints';
import { problemText } from '../lib/api/problem';
import type { Recording } from '../lib/api/types';
import { toasts } from '../lib/app/toasts.svelte';

export interface DeskEvents {
  changed(recording: Recording): void;
  removed(id: string): void;
}

export class RecordingDesk {
  question = $state.raw<{ kind: 'share' | 'process' | 'delete'; recording: Recording } | null>(null);
  readonly events: DeskEvents;

  constructor(events: DeskEvents) {
    this.events = events;
  }

  ask(kind: 'share' | 'process' | 'delete', recording: Recording): void {
    this.question = { kind, recording };
  }

  close(): void {
    this.question = null;
  }

  async cancel(recording: Recording): Promise<void> {
    try {
      this.events.changed(await api.cancelProcessing(recording.id));
    } catch (error) {
      toasts.show(problemText(error), 'warn');
    }
  }
}
