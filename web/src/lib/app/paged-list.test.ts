import { describe, expect, it } from 'vitest';
import { ApiError } from '../api/client';
import type { Page } from '../api/types';
import { PagedList } from './paged-list.svelte';

describe('a list in pages', () => {
  const pages: Record<string, Page<number>> = { '': { items: [1, 2], next_cursor: 'c' }, c: { items: [3], next_cursor: null } };

  it('grows page by page and begins anew', async () => {
    const list = new PagedList<number>(async (cursor) => pages[cursor ?? '']!);
    expect(list.items).toBeNull();
    await list.load();
    expect([list.items, list.cursor, list.deep]).toEqual([[1, 2], 'c', false]);
    await list.more();
    await list.more(); // there is no third one
    expect([list.items, list.cursor, list.deep]).toEqual([[1, 2, 3], null, true]);
    await list.load();
    expect([list.items, list.deep]).toEqual([[1, 2], false]);
  });

  it('keeps what was read when the server does not answer', async () => {
    let down = false;
    const list = new PagedList<number>(async () => {
      if (down) throw new ApiError(0, 'network', 'gone', null);
      return pages['']!;
    });
    await list.load();
    down = true;
    await list.load();
    expect([list.items, list.failed]).toEqual([[1, 2], true]);
    down = false;
    await list.load();
    expect(list.failed).toBe(false);
  });
});
