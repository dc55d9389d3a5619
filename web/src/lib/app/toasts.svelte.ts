/** Short notices that go away by themselves. Owns the list; refuses to know who writes into it. */

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: 'plain' | 'good' | 'warn';
  readonly action: ToastAction | null;
}

/** Something to do about it; what is behind it must be reachable in another way too, as the notice goes. */
export interface ToastAction {
  readonly label: string;
  readonly act: () => void;
}

/** Two seconds and 60 ms a character: the slow end of reading speed. */
const SHOWN_MS = 2_000;
const PER_CHARACTER_MS = 60;
/** One that asks for a decision stays long enough for who uses a keyboard or a screen reader: WCAG 2.2.1 names 20 s. */
const ACTION_MS = 20_000;
/** More would cover the stage. */
const MAX_SHOWN = 3;

class Toasts {
  list = $state.raw<readonly Toast[]>([]);
  #next = 1;

  /** Its id; one that says the same already stays alone. */
  show(text: string, tone: Toast['tone'] = 'plain', action: ToastAction | null = null): number {
    const same = this.list.find((toast) => toast.text === text);
    if (same) return same.id;
    const id = this.#next++;
    this.list = [...this.list, { id, text, tone, action }].slice(-MAX_SHOWN);
    setTimeout(() => this.dismiss(id), (action === null ? SHOWN_MS : ACTION_MS) + PER_CHARACTER_MS * text.length);
    return id;
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
