/** Reactions on show. Owns how long each is seen. */

export interface ShownReaction {
  readonly id: number;
  readonly participantId: string;
  readonly reaction: string;
}

/** Long enough to be noticed at the edge of sight, short enough not to pile up. */
const SHOWN_MS = 4_000;
const MAX_SHOWN = 24;

export class ReactionBoard {
  list = $state.raw<readonly ShownReaction[]>([]);
  #next = 1;

  show(participantId: string, reaction: string): void {
    const id = this.#next++;
    this.list = [...this.list, { id, participantId, reaction }].slice(-MAX_SHOWN);
    setTimeout(() => (this.list = this.list.filter((one) => one.id !== id)), SHOWN_MS);
  }

  of(participantId: string): ShownReaction | null {
    return this.list.findLast((one) => one.participantId === participantId) ?? null;
  }
}
