/** A meeting's report as the page shows it; pure. Owns what is said of its state; refuses to know the page. */

import type { MeetingReport, ReportAttendee, ReportContent } from '../api/types';
import type { TextKey } from '../i18n/keys';

/** An extractive report takes a second, one by a language model minutes. */
const POLL_MS = 2_000;

/** How often to ask again, null for not at all. */
export function reportPollMs(view: MeetingReport): number | null {
  return view.status === 'making' ? POLL_MS : null;
}

/** What stands above the report, or in its place, about its making. */
export function stateText(view: MeetingReport): TextKey | null {
  if (view.status === 'making') return view.report === null ? 'report.making' : 'report.makingAgain';
  if (view.status === 'failed') return view.report === null ? 'report.failed' : 'report.failedAgain';
  return null;
}

/** A share as whole percents; what is there is never nothing. */
export function percent(share: number, language: string): string {
  if (share > 0 && share < 0.01) return `<${new Intl.NumberFormat(language, { style: 'percent' }).format(0.01)}`;
  return new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: 0 }).format(share);
}

/** Width of each speaker's bar in percent of the longest one. */
export function barWidths(report: ReportContent): readonly number[] {
  const most = Math.max(0, ...report.speakers.map((speaker) => speaker.talk_ms));
  return report.speakers.map((speaker) => (most > 0 ? Math.round((speaker.talk_ms / most) * 1000) / 10 : 0));
}

/** What somebody was, where it is worth saying. */
export function roleText(attendee: ReportAttendee): TextKey | null {
  if (attendee.role === 'host') return 'report.host';
  if (attendee.role === 'cohost') return 'report.cohost';
  return attendee.is_guest ? 'common.guest' : null;
}
