/** Sorts one's meetings into what is on, today, coming, undated and past; pure. */

import type { Meeting } from '../api/types';

export interface Agenda {
  readonly live: readonly Meeting[];
  readonly today: readonly Meeting[];
  readonly next: readonly Meeting[];
  /** Not over and without a time. */
  readonly open: readonly Meeting[];
  readonly past: readonly Meeting[];
}

/** A planned meeting that nobody came to counts as past this long after its end (or its start, when it has no end). */
const GRACE_MS = 60 * 60 * 1000;

const time = (text: string | null): number => (text === null ? NaN : Date.parse(text));

/** `nowMs` decides; "today" is the calendar day of the browser's time zone. */
export function sortAgenda(meetings: readonly Meeting[], nowMs: number): Agenda {
  const midnight = new Date(nowMs);
  midnight.setHours(24, 0, 0, 0);
  const live: Meeting[] = [];
  const today: Meeting[] = [];
  const next: Meeting[] = [];
  const open: Meeting[] = [];
  const past: Meeting[] = [];
  for (const meeting of meetings) {
    const start = time(meeting.start_time);
    const end = time(meeting.end_time ?? meeting.start_time);
    if (meeting.status === 'ended' || meeting.status === 'cancelled') past.push(meeting);
    // A started meeting that everybody left goes on only when somebody comes back.
    else if (meeting.status === 'active' && meeting.participant_count > 0) live.push(meeting);
    else if (Number.isNaN(start)) open.push(meeting);
    else if (end + GRACE_MS < nowMs) past.push(meeting);
    else if (start < midnight.getTime()) today.push(meeting);
    else next.push(meeting);
  }
  const byStart = (a: Meeting, b: Meeting): number => time(a.start_time) - time(b.start_time);
  const newest = (a: Meeting, b: Meeting): number => lastTime(b) - lastTime(a);
  return {
    live: live.sort(newest),
    today: today.sort(byStart),
    next: next.sort(byStart),
    open: open.sort(newest),
    past: past.sort(newest),
  };
}

function lastTime(meeting: Meeting): number {
  return time(meeting.ended_at ?? meeting.started_at ?? meeting.start_time ?? meeting.created_at);
}
