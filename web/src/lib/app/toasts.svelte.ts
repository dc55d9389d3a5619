/** Short notices that go away by themselves. Owns the list; refuses to know who writes into it. */

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: 'plain' | 'good' | 'warn';
}

/** Two seconds and 60 ms a character: the slow end of reading speed. */
const SHOWN_MS = 2_000;
const PER_CHARACTER_MS = 60;
/** More would cover the stage. */
const MAX_SHOWN = 3;

class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #next = 1;

  show(text: string, tone: Toast['tone'] = 'plain'): void {
    if (this.list.some((toast) => toast.text === text)) return;
    const id = this.#next++;
    this.list = [...this.list, { id, text, tone }].slice(-MAX_SHOWN);
    setTimeout(() => this.dismiss(id), SHOWN_MS + PER_CHARACTER_MS * text.length);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
