import { describe, expect, it } from 'vitest';
import { clock } from '../app/times';
import type { CaptionLine } from '../protocol/messages';
import { findHits, markHits, transcriptFileName, transcriptRows, transcriptText } from './transcript';

const START = Date.UTC(2026, 10, 28, 10, 42);
const line = (id: string, who: string, text: string, seconds: number): CaptionLine => ({
  caption_id: id, participant_id: who, name: who.toUpperCase(), text, final: true,
  start_ms: START + seconds * 1_000, end_ms: START + seconds * 1_000 + 900, language: 'en', voice: null,
});
const said = [
  line('c1', 'ana', 'The plan is ready.', 0),
  line('c2', 'ana', 'Is the plan on paper?', 20),
  line('c3', 'ben', 'It is. A PLAN, a plan!', 30),
  line('c4', 'ben', 'Later.', 95),
];

describe('the transcript', () => {
  it('names each speaker once a minute', () => {
    expect(transcriptRows(said).map((row) => row.head)).toEqual([true, false, true, true]);
    expect(transcriptRows([])).toEqual([]);
  });

  it('is a text with a line for each phrase', () => {
    const at = (seconds: number): string => clock(START + seconds * 1_000, 'en');
    expect(transcriptText(said.slice(1, 3), 'en')).toBe(`[${at(20)}] ANA: Is the plan on paper?\n[${at(30)}] BEN: It is. A PLAN, a plan!\n`);
    expect(transcriptFileName('Plan: a/b?', new Date(2026, 1, 3, 12).getTime())).toBe('Plan- a-b- 2026-02-03.txt');
  });
});

describe('search', () => {
  it('finds every place, whatever the case', () => {
    expect(findHits(said, ' plan ').map((hit) => `${hit.captionId}.${hit.number}`)).toEqual(['c1.0', 'c2.0', 'c3.0', 'c3.1']);
    expect(findHits(said, '  ')).toEqual([]);
    expect(findHits([line('c1', 'a', '会议计划和计划书', 0)], '计划')).toHaveLength(2);
  });

  it('marks hits and keeps what is between them', () => {
    expect(markHits('A PLAN, a plan!', 'plan')).toEqual([
      { text: 'A ', hit: null }, { text: 'PLAN', hit: 0 }, { text: ', a ', hit: null }, { text: 'plan', hit: 1 }, { text: '!', hit: null },
    ]);
    for (const query of ['', 'nothing', '.*']) expect(markHits('A plan.', query)).toEqual([{ text: 'A plan.', hit: null }]);
  });

  it('takes signs for what they are', () => {
    for (const query of ['?', '(a', 'a+b', '[x]', 'c\\d', '$5', 'x-y', 'a/b']) {
      expect(markHits(`so ${query} it is`, query).filter((part) => part.hit !== null)).toEqual([{ text: query, hit: 0 }]);
    }
  });
});
