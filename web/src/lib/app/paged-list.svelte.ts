/**
 * A list that the server gives in pages, and that is read again while somebody looks.
 *
 * Owns what was read so far; refuses to know how it is shown. Reading again reads the first page: what was read behind
 * it goes, so a list that is paged through is not read again by itself.
 */

import { ApiError } from '../api/client';
import type { Page } from '../api/types';

export class PagedList<T> {
  /** Null: nothing was read yet. */
  items = $state.raw<readonly T[] | null>(null);
  /** The last reading failed; what is there is what was read before. */
  failed = $state(false);
  cursor = $state<string | null>(null);
  /** More than the first page was read. */
  deep = $state(false);
  #reading = false;
  readonly #read: (cursor: string | null) => Promise<Page<T>>;

  constructor(read: (cursor: string | null) => Promise<Page<T>>) {
    this.#read = read;
  }

  /** The first page, anew. */
  async load(): Promise<void> {
    await this.#page(null);
  }

  /** The next page, if there is one. */
  async more(): Promise<void> {
    if (this.cursor !== null) await this.#page(this.cursor);
  }

  async #page(cursor: string | null): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      const page = await this.#read(cursor);
      this.items = cursor === null ? page.items : [...(this.items ?? []), ...page.items];
      this.deep = cursor !== null;
      this.cursor = page.next_cursor;
      this.failed = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.failed = true;
    } finally {
      this.#reading = false;
    }
  }
}

/** Calls `read` each `everyMs` while the page is visible; the answer ends it. */
export function whileVisible(read: () => void, everyMs: number): () => void {
  const look = (): void => {
    if (document.visibilityState === 'visible') read();
  };
  const timer = setInterval(look, everyMs);
  document.addEventListener('visibilitychange', look);
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', look);
  };
}
