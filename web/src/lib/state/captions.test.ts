import { describe, expect, it } from 'vitest';
import type { AnyServerMessage, CaptionLine } from '../protocol/messages';
import { emptyBoard, nextChangeMs, reduceCaptions, spokenBlocks, type CaptionsBoard, type Tick } from './captions';

const line = (id: string, who: string, text: string, change: Partial<CaptionLine> = {}): CaptionLine => ({
  caption_id: id, participant_id: who, name: who.toUpperCase(), text, final: true, start_ms: 0, end_ms: 0, language: 'en', voice: null, ...change,
});
const final = (id: string, who: string, text: string, startMs = 0): AnyServerMessage => ({
  type: 'caption', seq: 1, ...line(id, who, text, { start_ms: startMs }),
});
const partial = (id: string, who: string, text: string): AnyServerMessage => ({ type: 'caption', ...line(id, who, text, { final: false }) });
const state = { available: true, reason: null, language: 'auto', languages: ['auto'], transcript: true, report_at: null, voices: false, since_ms: null, by_name: null };
const still = { on: false, available: true, reason: null, since_ms: null, by_name: null };
const joined = (captions: CaptionLine[] = [], meetingId = 'm'): AnyServerMessage => ({
  type: 'joined', session_id: 's', resume_token: 'r', resume_within_s: 30, heartbeat_s: 5, participant_id: 'a',
  room: {
    meeting_id: meetingId, code: 'c', title: '', started_at_ms: 5, locked: false, max_participants: 10, participants: [], recording: null,
    captions: { on: true, ...state },
  },
  need_media: { seats: 4, audio_seats: 0 }, ice_servers: [], chat: [], captions, vision: { emotion: still, deepfake: still, consented: [], declined: [] }, ref: null,
});

/** Messages as they come, each with the second at which it does. */
const run = (...events: [number, AnyServerMessage | Tick][]): CaptionsBoard =>
  events.reduce((board, [seconds, event]) => reduceCaptions(board, event, seconds * 1_000), emptyBoard);
const tick: Tick = { type: 'local-tick' };
const stage = (board: CaptionsBoard): string[] =>
  spokenBlocks(board).map((block) => `${block.name}: ${block.parts.map((part) => (part.final ? part.text : `${part.text}…`)).join('|')}`);
const texts = (board: CaptionsBoard): string[] => board.finals.map((one) => one.text);

describe('a phrase', () => {
  it('grows while it is spoken and is replaced by its final', () => {
    const growing = run([0, joined()], [1, partial('c1', 'b', 'good')], [1.3, partial('c1', 'b', 'good mourning')]);
    expect([stage(growing), texts(growing)]).toEqual([['B: good mourning…'], []]);
    const done = reduceCaptions(growing, final('c1', 'b', 'Good morning.'), 2_000);
    expect([stage(done), texts(done)]).toEqual([['B: Good morning.'], ['Good morning.']]);
  });

  it('that was no speech after all goes without a trace', () => {
    const board = run([0, joined()], [1, partial('c1', 'b', 'hm')], [2, final('c1', 'b', '')]);
    expect([stage(board), texts(board)]).toEqual([[], []]);
    expect(stage(run([0, joined()], [1, partial('c1', 'b', 'hm')], [2, partial('c1', 'b', '')]))).toEqual([]);
  });

  it('is not undone by a partial that was overtaken', () => {
    const done = run([0, joined()], [1, final('c1', 'b', 'Good morning.')]);
    expect(reduceCaptions(done, partial('c1', 'b', 'good'), 1_100)).toBe(done);
  });

  it('goes after some seconds, a long one later than a short one', () => {
    const short = run([0, joined()], [1, final('c1', 'b', 'Yes.')]);
    expect(nextChangeMs(short)).toBe(4_200);
    expect(stage(reduceCaptions(short, tick, 4_100))).toEqual(['B: Yes.']);
    const gone = reduceCaptions(short, tick, 4_200);
    expect([stage(gone), texts(gone), nextChangeMs(gone)]).toEqual([[], ['Yes.'], null]);
    expect(nextChangeMs(run([0, joined()], [1, final('c1', 'b', 'word '.repeat(60))]))).toBe(8_000);
    expect(reduceCaptions(gone, tick, 9_000)).toBe(gone);
  });

  it('whose end never comes goes too', () => {
    expect(stage(run([0, joined()], [1, partial('c1', 'b', 'good')], [8, tick]))).toEqual([]);
  });
});

describe('the stage', () => {
  it('puts what one person says together, the running part last', () => {
    const board = run([0, joined()], [1, final('c1', 'b', 'Hello.')], [2, partial('c2', 'b', 'shall we')]);
    expect(stage(board)).toEqual(['B: Hello.| shall we…']);
    expect(spokenBlocks(board)[0]?.lines).toBe(3);
    const chinese = run([0, joined()], [1, final('c1', 'b', '大家好。')], [2, partial('c2', 'b', '开始吧')]);
    expect(stage(chinese)).toEqual(['B: 大家好。|开始吧…']);
  });

  it('has two people and three lines at most, in the order in which they began', () => {
    const board = run(
      [0, joined()],
      [1, final('c1', 'b', 'One.')],
      [1.5, partial('c2', 'c', 'two')],
      [2, partial('c3', 'd', 'three')],
      [2.5, partial('c2', 'c', 'two and')],
    );
    expect(stage(board)).toEqual(['C: two and…', 'D: three…']);
    expect(spokenBlocks(board).map((block) => block.lines)).toEqual([1, 2]);
  });

  it('does not change places while two talk at once', () => {
    const order = (...events: [number, AnyServerMessage][]): string[] => spokenBlocks(run([0, joined()], ...events)).map((block) => block.name);
    const talk: [number, AnyServerMessage][] = [[1, partial('c1', 'b', 'a')], [1.2, partial('c2', 'c', 'b')]];
    expect(order(...talk)).toEqual(['B', 'C']);
    expect(order(...talk, [1.4, partial('c1', 'b', 'a b')])).toEqual(['B', 'C']);
  });

  it('is empty as soon as captions are off', () => {
    const board = run([0, joined()], [1, final('c1', 'b', 'Hello.')], [2, { type: 'captions', on: false, ...state }]);
    expect([stage(board), texts(board)]).toEqual([[], ['Hello.']]);
    const on = run([0, joined()], [1, final('c1', 'b', 'Hello.')]);
    expect(reduceCaptions(on, { type: 'captions', on: true, ...state, language: 'en' }, 2_000)).toBe(on);
  });
});

describe('the transcript', () => {
  it('has what was said before one came, in the order of speaking, each phrase once', () => {
    const board = run([0, joined([line('c1', 'b', 'One.', { start_ms: 10 }), line('c3', 'c', 'Three.', { start_ms: 30 })])], [1, final('c2', 'b', 'Two.', 20)]);
    expect([texts(board), stage(board)]).toEqual([['One.', 'Two.', 'Three.'], ['B: Two.']]);
    expect(texts(reduceCaptions(board, final('c2', 'b', 'Too.', 20), 1_500))).toEqual(['One.', 'Too.', 'Three.']);
  });

  it('stays when one comes in again, and begins anew in another meeting', () => {
    const before = run([0, joined()], [1, final('c1', 'b', 'One.', 10)], [1.5, partial('c2', 'b', 'two')]);
    const again = reduceCaptions(before, joined([line('c1', 'b', 'One.', { start_ms: 10 }), line('c2', 'b', 'Two.', { start_ms: 20 })]), 2_000);
    expect([texts(again), stage(again)]).toEqual([['One.', 'Two.'], ['B: One.']]);
    const other = reduceCaptions(before, joined([], 'm2'), 2_000);
    expect([texts(other), stage(other)]).toEqual([[], []]);
  });

  it('has a bound', () => {
    const said = Array.from({ length: 5_000 }, (_, number) => line(`c${number}`, 'b', `${number}`, { start_ms: number }));
    let board = run([0, joined(said)]);
    for (let number = 5_000; number < 5_020; number++) board = reduceCaptions(board, final(`c${number}`, 'b', `${number}`, number), number);
    expect([board.finals.length, board.finals[0]?.text, board.shown.length]).toEqual([5_000, '20', 16]);
  });
});
