/** What a search for spoken words found; pure. Owns its address, its groups and its choices; refuses to know the page. */

import type { TranscriptQuery } from '../api/endpoints';
import type { FoundSegment } from '../api/types';

/** The most that the server takes. */
export const MOST_LETTERS = 200;

/** The search that an address's query string names. */
export function readQuery(search: string): TranscriptQuery {
  const values = new URLSearchParams(search);
  return { text: values.get('q') ?? '', meetingId: values.get('meeting'), speaker: values.get('speaker') };
}

/** The address of a search. */
export function searchPath({ text, meetingId, speaker }: TranscriptQuery): string {
  const values = new URLSearchParams();
  if (text.trim() !== '') values.set('q', text.trim());
  if (meetingId !== null) values.set('meeting', meetingId);
  if (speaker !== null) values.set('speaker', speaker);
  return `/transcripts${values.size > 0 ? `?${values}` : ''}`;
}

export interface FoundMeeting {
  readonly id: string;
  readonly title: string;
  readonly phrases: readonly FoundSegment[];
}

/** Phrases that follow one another in the same meeting stand together. */
export function byMeeting(found: readonly FoundSegment[]): readonly FoundMeeting[] {
  const groups: { id: string; title: string; phrases: FoundSegment[] }[] = [];
  for (const phrase of found) {
    const last = groups.at(-1);
    if (last?.id === phrase.meeting_id) last.phrases.push(phrase);
    else groups.push({ id: phrase.meeting_id, title: phrase.meeting_title, phrases: [phrase] });
  }
  return groups;
}

/** Meetings by id with their titles, and names, that one may narrow the search to: those seen before and these. */
export interface Choices {
  readonly meetings: ReadonlyMap<string, string>;
  readonly speakers: readonly string[];
}

export const noChoices: Choices = { meetings: new Map(), speakers: [] };

export function moreChoices(before: Choices, found: readonly FoundSegment[]): Choices {
  const meetings = new Map(before.meetings);
  for (const one of found) meetings.set(one.meeting_id, one.meeting_title);
  return { meetings, speakers: [...new Set([...before.speakers, ...found.map((one) => one.name)])].sort() };
}
