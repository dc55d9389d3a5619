import { describe, expect, it } from 'vitest';
import type { FoundSegment } from '../api/types';
import { byMeeting, moreChoices, noChoices, readQuery, searchPath } from './transcript-search';

const phrase = (id: string, meeting: string, name = 'Ana'): FoundSegment => ({
  id, participant_id: 'prt_1', name, text: id, language: 'en', start_time: '2026-03-01T10:00:00Z', end_time: '2026-03-01T10:00:01Z',
  meeting_id: `mtg_${meeting}`, meeting_code: 'abc-defg-hij', meeting_title: meeting,
});

describe('the address of a search', () => {
  it('is read as it was written', () => {
    for (const wanted of [
      { text: '', meetingId: null, speaker: null },
      { text: '预算 50% & more', meetingId: 'mtg_1', speaker: '陈小明' },
    ]) {
      expect(readQuery(searchPath(wanted).replace('/transcripts', ''))).toEqual(wanted);
    }
    expect(searchPath({ text: '  ', meetingId: null, speaker: null })).toBe('/transcripts');
  });
});

describe('what was found', () => {
  it('stands together by meeting, in its order', () => {
    const groups = byMeeting([phrase('a', 'one'), phrase('b', 'one'), phrase('c', 'two'), phrase('d', 'one')]);
    expect(groups.map((group) => [group.title, group.phrases.map((one) => one.id).join('')])).toEqual([
      ['one', 'ab'], ['two', 'c'], ['one', 'd'],
    ]);
  });

  it('is what the search may be narrowed to', () => {
    const first = moreChoices(noChoices, [phrase('a', 'one', 'Ben'), phrase('b', 'two')]);
    const both = moreChoices(first, [phrase('c', 'two', 'Ben')]);
    expect([...both.meetings]).toEqual([['mtg_one', 'one'], ['mtg_two', 'two']]);
    expect(both.speakers).toEqual(['Ana', 'Ben']);
  });
});
