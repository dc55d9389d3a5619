import { describe, expect, it } from 'vitest';
import type { Meeting } from '../api/types';
import { sortAgenda } from './agenda';

const now = new Date(2026, 10, 23, 10, 0).getTime();
const at = (day: number, hour: number): string => new Date(2026, 10, day, hour, 0).toISOString();

function meeting(id: string, change: Partial<Meeting>): Meeting {
  return {
    id,
    code: 'abc-defg-hij',
    title: id,
    description: '',
    status: 'scheduled',
    creator: null,
    start_time: null,
    end_time: null,
    started_at: null,
    ended_at: null,
    created_at: at(20, 9),
    max_participants: 100,
    participant_count: 0,
    url: '',
    my_role: 'host',
    recording: false,
    captions: false,
    has_transcript: false,
    settings: {
      guests_allowed: true, has_passcode: false, locked: false,
      auto_record: false, recording_consent: false, recording_access: 'hosts', recording_download: 'everyone', emotion_detection: false, deepfake_detection: false,
    },
    ...change,
  };
}

const ids = (list: readonly Meeting[]): string[] => list.map(({ id }) => id);

describe('sortAgenda', () => {
  it('puts every meeting in its place', () => {
    const agenda = sortAgenda(
      [
        meeting('tomorrow', { start_time: at(24, 9) }),
        meeting('later today', { start_time: at(23, 18) }),
        meeting('soon', { start_time: at(23, 11) }),
        meeting('undated', {}),
        meeting('on now', { status: 'active', started_at: at(23, 9), participant_count: 2 }),
        meeting('deserted', { status: 'active', started_at: at(23, 9) }),
        meeting('missed', { start_time: at(23, 7), end_time: at(23, 8) }),
        meeting('running late', { start_time: at(23, 9) }),
        meeting('over', { status: 'ended', ended_at: at(22, 9) }),
        meeting('called off', { status: 'cancelled', start_time: at(25, 9) }),
      ],
      now,
    );
    expect(ids(agenda.live)).toEqual(['on now']);
    expect(ids(agenda.today)).toEqual(['running late', 'soon', 'later today']);
    expect(ids(agenda.next)).toEqual(['tomorrow']);
    expect(ids(agenda.open)).toEqual(['deserted', 'undated']);
    expect(ids(agenda.past)).toEqual(['called off', 'missed', 'over']);
  });
});
