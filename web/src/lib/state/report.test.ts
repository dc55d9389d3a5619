import { describe, expect, it } from 'vitest';
import type { MeetingReport, ReportAttendee, ReportContent, ReportSpeaker } from '../api/types';
import { barWidths, percent, reportPollMs, roleText, stateText } from './report';

const speaker = (name: string, talk_ms: number): ReportSpeaker => ({
  participant_id: name, name, talk_ms, share: 0, turns: 1, longest_turn_ms: talk_ms,
});
const content = (speakers: ReportSpeaker[]): ReportContent => ({
  method: 'extractive', model: '', fallback_reason: '', start_time: '', end_time: '', phrases: 1, is_complete: true,
  summary: [], decisions: [], actions: [], chapters: [], speakers, attendees: [],
});
const view = (status: MeetingReport['status'], report: ReportContent | null = null): MeetingReport => ({
  meeting_id: 'mtg_1', meeting_code: 'abc-defg-hij', meeting_title: 't', status, may_make: false, is_partial: false,
  made_at: null, report, emotions: [], alerts: [],
});
const attendee = (role: ReportAttendee['role'], is_guest = false): ReportAttendee => ({
  participant_id: 'p', name: 'n', role, is_guest, stays: [],
});

describe('a report', () => {
  it('is asked for again only while it is made', () => {
    expect(reportPollMs(view('making'))).toBeGreaterThan(0);
    for (const status of ['none', 'ready', 'failed'] as const) expect(reportPollMs(view(status)), status).toBeNull();
  });

  it('says how its making stands, and what is shown meanwhile', () => {
    expect(stateText(view('making'))).toBe('report.making');
    expect(stateText(view('making', content([])))).toBe('report.makingAgain');
    expect(stateText(view('failed'))).toBe('report.failed');
    expect(stateText(view('failed', content([])))).toBe('report.failedAgain');
    expect(stateText(view('ready', content([])))).toBeNull();
  });

  it('has shares that people can read', () => {
    expect([0, 0.004, 0.126, 1].map((share) => percent(share, 'en'))).toEqual(['0%', '<1%', '13%', '100%']);
    expect(percent(0.5, 'zh-CN')).toBe('50%');
  });

  it('has bars as long as people spoke', () => {
    expect(barWidths(content([speaker('a', 4000), speaker('b', 1000), speaker('c', 0)]))).toEqual([100, 25, 0]);
    expect(barWidths(content([speaker('a', 0)]))).toEqual([0]);
    expect(barWidths(content([]))).toEqual([]);
  });

  it('names roles that matter', () => {
    expect(roleText(attendee('host', true))).toBe('report.host');
    expect(roleText(attendee('cohost'))).toBe('report.cohost');
    expect(roleText(attendee('participant', true))).toBe('common.guest');
    expect(roleText(attendee('participant'))).toBeNull();
  });
});
