/** The transcript as a text to read, search and keep; pure. Owns its rows, hits and file; refuses to know the page. */

import { clock } from '../app/times';
import type { CaptionLine } from '../protocol/messages';

/** Phrases of one person within this time stand under one name. */
const TOGETHER_MS = 60_000;

/** What a transcript needs of a finished caption. */
export type Phrase = Pick<CaptionLine, 'caption_id' | 'participant_id' | 'name' | 'text' | 'start_ms' | 'language'>;

export interface TranscriptRow {
  readonly phrase: Phrase;
  /** The name and the time stand above it. */
  readonly head: boolean;
}

export function transcriptRows(phrases: readonly Phrase[]): readonly TranscriptRow[] {
  let headMs = 0;
  return phrases.map((phrase, index) => {
    const head = phrases[index - 1]?.participant_id !== phrase.participant_id || phrase.start_ms - headMs > TOGETHER_MS;
    if (head) headMs = phrase.start_ms;
    return { phrase, head };
  });
}

export interface MarkedPart {
  readonly text: string;
  /** The number of the hit within the text, from 0; null between hits. */
  readonly hit: number | null;
}

/** What is looked for, or null when it is nothing. Case does not matter. */
function pattern(query: string): RegExp | null {
  const wanted = query.trim();
  return wanted === '' ? null : new RegExp(wanted.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'giu');
}

/** `text` in pieces, hits apart from what is between them. */
export function markHits(text: string, query: string): readonly MarkedPart[] {
  const wanted = pattern(query);
  if (!wanted) return [{ text, hit: null }];
  const parts: MarkedPart[] = [];
  let from = 0;
  let hit = 0;
  for (const match of text.matchAll(wanted)) {
    if (match.index > from) parts.push({ text: text.slice(from, match.index), hit: null });
    parts.push({ text: match[0], hit: hit++ });
    from = match.index + match[0].length;
  }
  if (from < text.length || parts.length === 0) parts.push({ text: text.slice(from), hit: null });
  return parts;
}

export interface Hit {
  readonly captionId: string;
  /** As MarkedPart.hit. */
  readonly number: number;
}

/** Every place where `query` is said, from the beginning. */
export function findHits(phrases: readonly Phrase[], query: string): readonly Hit[] {
  const wanted = pattern(query);
  if (!wanted) return [];
  return phrases.flatMap((phrase) =>
    [...phrase.text.matchAll(wanted)].map((_, number) => ({ captionId: phrase.caption_id, number })),
  );
}

/** A line for each phrase: "[10:42] Ana: Good morning." */
export function transcriptText(phrases: readonly Phrase[], language: string): string {
  return phrases.map((one) => `[${clock(one.start_ms, language)}] ${one.name}: ${one.text}\n`).join('');
}

/** "Design review 2026-11-28.txt", with the day on which the meeting began where the browser is. */
export function transcriptFileName(title: string, startedAtMs: number): string {
  const day = new Date(startedAtMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  // No file system takes these.
  const plain = title.replace(/[\\/:*?"<>|]+/g, '-');
  return `${plain} ${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}.txt`;
}
