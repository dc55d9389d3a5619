/**
 * What a page knows of recordings, as pure functions: the list and its changes, how often to look again, what is to
 * be said of one. Refuses to know the network and the page.
 */

import type { Chapter, Page, Recording } from '../api/types';
import type { TextKey } from '../i18n/keys';

export interface RecordingsView {
  /** Newest first. */
  readonly items: readonly Recording[];
  /** Where older ones go on; null at the end. */
  readonly cursor: string | null;
  readonly loaded: boolean;
}

export type RecordingsEvent =
  /** The first page again: older ones that were loaded before stay below it. */
  | { type: 'newest'; page: Page<Recording> }
  | { type: 'older'; page: Page<Recording> }
  | { type: 'changed'; recording: Recording }
  | { type: 'removed'; id: string };

export const emptyRecordings: RecordingsView = { items: [], cursor: null, loaded: false };

export function reduceRecordings(view: RecordingsView, event: RecordingsEvent): RecordingsView {
  switch (event.type) {
    case 'newest': {
      const { items, next_cursor } = event.page;
      // The page's last one is the border: what stands above it here and is not in the page was deleted.
      const border = items.at(-1)?.started_at ?? '';
      const known = new Set(items.map((one) => one.id));
      const below = next_cursor === null ? [] : view.items.filter((one) => !known.has(one.id) && one.started_at <= border);
      return { items: [...items, ...below], cursor: below.length > 0 ? view.cursor : next_cursor, loaded: true };
    }
    case 'older': {
      const known = new Set(view.items.map((one) => one.id));
      const fresh = event.page.items.filter((one) => !known.has(one.id));
      return { ...view, items: [...view.items, ...fresh], cursor: event.page.next_cursor };
    }
    case 'changed':
      return { ...view, items: view.items.map((one) => (one.id === event.recording.id ? event.recording : one)) };
    case 'removed':
      return { ...view, items: view.items.filter((one) => one.id !== event.id) };
  }
}

const IN_PROGRESS: ReadonlySet<string> = new Set(['processing', 'recording', 'paused']);

/** Progress is written about once a second; two seconds feel live and cost a request each. */
const PROCESSING_MS = 2_000;
/** Its end is what is waited for. */
const RECORDING_MS = 10_000;

/** While the server tells of changes: what happens on another server of the same house comes by this alone. */
const TOLD_MS = 30_000;

/** How often to ask the server again; null when nothing here changes by itself. `told`: the server tells of changes. */
export function pollEveryMs(recordings: readonly Recording[], told = false): number | null {
  if (told) return recordings.some((one) => IN_PROGRESS.has(one.status)) ? TOLD_MS : null;
  if (recordings.some((one) => one.status === 'processing')) return PROCESSING_MS;
  return recordings.some((one) => one.status === 'recording' || one.status === 'paused') ? RECORDING_MS : null;
}

/** Whole percent of the work that is done; 100 only when it is over. */
export function percentDone(share: number): number {
  return Math.min(99, Math.max(0, Math.floor(share * 100)));
}

/** As the server's `recorder` names them, in their order. */
const STAGES: Readonly<Record<string, TextKey>> = {
  reading: 'recordings.stageReading',
  tracks: 'recordings.stageTracks',
  sound: 'recordings.stageSound',
  video: 'recordings.stageVideo',
  writing: 'recordings.stageWriting',
  storing: 'recordings.stageStoring',
};

/** The word for a stage; null for one that this page does not know. */
export function stageText(stage: string): TextKey | null {
  return STAGES[stage] ?? null;
}

export type StopKind = 'wanted' | 'over' | 'disk' | 'server' | 'other';

const STOPS: Readonly<Record<string, StopKind>> = {
  '': 'wanted',
  asked: 'wanted',
  stopped: 'wanted',
  'meeting ended': 'over',
  'everybody left': 'over',
  'disk full': 'disk',
  'server stopping': 'server',
};

/** What the server's reason for an end means to people. */
export function stopKind(reason: string | null): StopKind {
  return STOPS[(reason ?? '').replaceAll('_', ' ').trim()] ?? 'other';
}

/** A sentence about an end that nobody asked for; null when there is nothing to say. */
export function stopText(recording: Recording): { key: TextKey; reason: string } | null {
  if (recording.recovered) return { key: 'recordings.recoveredText', reason: '' };
  const reason = recording.stop_reason ?? '';
  switch (stopKind(reason)) {
    case 'disk':
      return { key: 'recordings.stoppedDiskFull', reason };
    case 'server':
      return { key: 'recordings.stoppedServer', reason };
    case 'other':
      return { key: 'recordings.stoppedOther', reason };
    default:
      return null;
  }
}

/** There is a video to look at. */
export function isPlayable(recording: Recording): boolean {
  return recording.status === 'ready';
}

/** Why a video that is there may only be watched; null when it may be downloaded, or there is none. */
export function watchOnlyText(recording: Recording): TextKey | null {
  if (!isPlayable(recording) || recording.permissions.download) return null;
  return recording.recording_download === null ? 'share.watchOnly' : 'recordings.hostsDownload';
}

/** The server says so while there are journals to make a video of: after a failure, or when it was cancelled. */
export function canProcess(recording: Recording): boolean {
  return recording.permissions.process && (recording.status === 'failed' || recording.status === 'cancelled');
}

/** Who may delete it may also stop the work on it. */
export function canCancel(recording: Recording): boolean {
  return recording.permissions.delete && recording.status === 'processing';
}

/** The row that is played at `timeS`; -1 before the first. */
export function chapterAt(chapters: readonly Chapter[], timeS: number): number {
  return chapters.findLastIndex((one) => one.start_s <= timeS);
}

/** The newest recording of each meeting that has one. */
export function newestByMeeting(recordings: readonly Recording[]): ReadonlyMap<string, Recording> {
  const found = new Map<string, Recording>();
  for (const one of recordings) {
    if (one.meeting_id !== null && !found.has(one.meeting_id)) found.set(one.meeting_id, one);
  }
  return found;
}

/** The film's clock begins with its first picture, a moment after somebody asked for it; and one wants the sentence's beginning. */
const LEAD_S = 2;
/** What a film may be shorter than its recording; more was paused, and then no second of it is known from here. */
const PAUSED_S = 5;

/** Where in which film that can be watched something was said; null: in none, or nobody knows. */
export function momentOf(recordings: readonly Recording[], atMs: number): { readonly id: string; readonly atS: number } | null {
  for (const one of recordings) {
    if (!isPlayable(one) || one.stopped_at === null || one.duration_s === null) continue;
    const [from, to] = [Date.parse(one.started_at), Date.parse(one.stopped_at)];
    if (atMs < from || atMs > to || Math.abs((to - from) / 1000 - one.duration_s) > PAUSED_S) continue;
    return { id: one.id, atS: Math.max(0, Math.floor((atMs - from) / 1000) - LEAD_S) };
  }
  return null;
}
