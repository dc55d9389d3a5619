import { describe, expect, it } from 'vitest';
import type { Page, Recording } from '../api/types';
import {
  canCancel, canProcess, chapterAt, emptyRecordings, momentOf, newestByMeeting, percentDone, pollEveryMs, reduceRecordings, stageText,
  stopKind, stopText, watchOnlyText, type RecordingsEvent, type RecordingsView,
} from './recordings';

const made = (number: number, change: Partial<Recording> = {}): Recording => ({
  id: `rec_${number}`, meeting_id: 'mtg_1', title: 'Plan', status: 'ready',
  started_at: `2026-03-01T10:${String(number).padStart(2, '0')}:00Z`, stopped_at: null, duration_s: 60, size_bytes: 1_000,
  recovered: false, stop_reason: 'asked', started_by: 'Ana', layout: 'speaker', progress: null, error: null,
  has_video_file: true, has_thumbnail: true, has_captions: false, tracks: [], chapters: [], recording_download: 'everyone',
  permissions: { download: true, share: true, delete: true, process: true }, ...change,
});
const page = (cursor: string | null, ...numbers: number[]): Page<Recording> => ({
  items: numbers.map((number) => made(number)), next_cursor: cursor,
});
const run = (...events: RecordingsEvent[]): RecordingsView => events.reduce(reduceRecordings, emptyRecordings);
const ids = (view: RecordingsView): string[] => view.items.map((one) => one.id);

describe('the list', () => {
  it('grows downwards and keeps what was loaded when the newest come again', () => {
    const view = run(
      { type: 'newest', page: page('c1', 9, 8) },
      { type: 'older', page: page(null, 8, 7, 6) },
      { type: 'newest', page: page('c2', 10, 9) },
    );
    expect(ids(view)).toEqual(['rec_10', 'rec_9', 'rec_8', 'rec_7', 'rec_6']);
    expect(view.cursor).toBeNull();
  });

  it('forgets what somebody else deleted', () => {
    const view = run({ type: 'newest', page: page('c1', 9, 8, 7) }, { type: 'newest', page: page('c1', 9, 7) });
    expect(ids(view)).toEqual(['rec_9', 'rec_7']);
    expect(ids(reduceRecordings(view, { type: 'newest', page: page(null) }))).toEqual([]);
  });

  it('takes changes and removals in place', () => {
    const view = run(
      { type: 'newest', page: page(null, 9, 8) },
      { type: 'changed', recording: made(8, { status: 'processing' }) },
      { type: 'changed', recording: made(3) },
      { type: 'removed', id: 'rec_9' },
    );
    expect(view.items.map((one) => [one.id, one.status])).toEqual([['rec_8', 'processing']]);
  });

  it('names the newest of each meeting', () => {
    const found = newestByMeeting([made(9), made(8, { meeting_id: 'mtg_2' }), made(7)]);
    expect([...found].map(([meeting, one]) => [meeting, one.id])).toEqual([['mtg_1', 'rec_9'], ['mtg_2', 'rec_8']]);
  });
});

describe('looking again', () => {
  it('is quick while a video is made, slow while a meeting is recorded, and stops', () => {
    expect(pollEveryMs([made(1), made(2, { status: 'processing' }), made(3, { status: 'recording' })])).toBe(2_000);
    expect(pollEveryMs([made(1, { status: 'paused' })])).toBe(10_000);
    expect(pollEveryMs([made(1), made(2, { status: 'failed' })])).toBeNull();
  });

  it('is rare while the server tells of changes', () => {
    expect(pollEveryMs([made(1), made(2, { status: 'processing' })], true)).toBe(30_000);
    expect(pollEveryMs([made(1), made(2, { status: 'failed' })], true)).toBeNull();
  });
});

describe('one recording', () => {
  it('shows progress that never says done too early', () => {
    expect([-1, 0, 0.426, 0.999, 1, 2].map(percentDone)).toEqual([0, 0, 42, 99, 99, 99]);
    expect([stageText('video'), stageText('of-tomorrow')]).toEqual(['recordings.stageVideo', null]);
  });

  it('explains only ends that nobody asked for', () => {
    expect(['asked', '', null, 'meeting_ended', 'everybody left', 'disk full', 'disk_full', 'server stopping', 'disk failed: EIO'].map(stopKind))
      .toEqual(['wanted', 'wanted', 'wanted', 'over', 'over', 'disk', 'disk', 'server', 'other']);
    expect(stopText(made(1))).toBeNull();
    expect(stopText(made(1, { stop_reason: 'disk full' }))?.key).toBe('recordings.stoppedDiskFull');
    expect(stopText(made(1, { stop_reason: 'disk full', recovered: true }))?.key).toBe('recordings.recoveredText');
    expect(stopText(made(1, { stop_reason: 'disk failed: EIO' }))).toEqual({ key: 'recordings.stoppedOther', reason: 'disk failed: EIO' });
  });

  it('may be processed while there is something to process', () => {
    const statuses = ['recording', 'paused', 'processing', 'ready', 'failed', 'cancelled'] as const;
    expect(statuses.filter((status) => canProcess(made(1, { status })))).toEqual(['failed', 'cancelled']);
    expect(statuses.filter((status) => canCancel(made(1, { status })))).toEqual(['processing']);
    const guest = { download: true, share: false, delete: false, process: false };
    expect(canProcess(made(1, { status: 'failed', permissions: guest }))).toBe(false);
  });

  it('knows the chapter that is played', () => {
    const chapters = [{ start_s: 2, title: 'Ana' }, { start_s: 30, title: 'Ben' }];
    expect([0, 2, 29.9, 30, 500].map((time) => chapterAt(chapters, time))).toEqual([-1, 0, 0, 1, 1]);
  });
});

describe('a video that is not to be downloaded', () => {
  const watching = { download: false, share: false, delete: false, process: false };

  it('says whose word that is', () => {
    expect(watchOnlyText(made(1, { recording_download: 'hosts', permissions: watching }))).toBe('recordings.hostsDownload');
    expect(watchOnlyText(made(1, { recording_download: null, permissions: watching }))).toBe('share.watchOnly');
  });

  it('says nothing to who may, and nothing where there is no video', () => {
    expect(watchOnlyText(made(1, { recording_download: 'hosts' }))).toBeNull();
    expect(watchOnlyText(made(1, { status: 'processing', recording_download: 'hosts', permissions: watching }))).toBeNull();
  });
});

describe('the moment of a phrase', () => {
  const film = made(0, { stopped_at: '2026-03-01T10:10:00Z', duration_s: 599 });
  const at = Date.parse('2026-03-01T10:01:05Z');

  it('is in the film that was made then, a moment before', () => {
    expect(momentOf([made(20), film], at)).toEqual({ id: 'rec_0', atS: 63 });
    expect(momentOf([film], Date.parse('2026-03-01T10:00:01Z'))).toEqual({ id: 'rec_0', atS: 0 });
  });

  it('is not known of another time, of a film with pauses, or of none', () => {
    expect(momentOf([film], Date.parse('2026-03-01T10:11:00Z'))).toBeNull();
    expect(momentOf([film], Date.parse('2026-03-01T09:59:00Z'))).toBeNull();
    expect(momentOf([{ ...film, duration_s: 400 }], at)).toBeNull();
    expect(momentOf([{ ...film, status: 'processing', has_video_file: false }], at)).toBeNull();
    expect(momentOf([], at)).toBeNull();
  });
});
