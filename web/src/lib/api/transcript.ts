/** Reads what is kept of a meeting's words, page after page. */

import type { Phrase } from '../state/transcript';
import { api } from './endpoints';

/** The most that a page may have. */
const PAGE = 200;

/** Everything that was said, or `null` when the reader was told to stop. ApiError as its calls. */
export async function readTranscript(meetingId: string, stopped: () => boolean): Promise<readonly Phrase[] | null> {
  const phrases: Phrase[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof api.transcript>> = await api.transcript(meetingId, cursor, PAGE);
    if (stopped()) return null;
    for (const { id, participant_id, name, text, start_time, language } of page.items) {
      phrases.push({ caption_id: id, participant_id, name, text, start_ms: Date.parse(start_time), language });
    }
    cursor = page.next_cursor;
  } while (cursor !== null);
  return phrases;
}
