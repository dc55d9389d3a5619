/**
 * What is being said, as text: a pure reducer over the server's captions, with the time as an argument.
 *
 * Owns which phrases are finished, which are on the screen now and for how long; refuses to know clocks and the page.
 * Whether captions are on is in the room's view. Values are never changed in place.
 */

import type { AnyServerMessage, CaptionLine } from '../protocol/messages';

/** A phrase that may stand on the stage. */
export interface ShownCaption {
  readonly line: CaptionLine;
  /** When its text came, and until when it stands; both in the caller's milliseconds. */
  readonly changedAtMs: number;
  readonly untilMs: number;
}

export interface CaptionsBoard {
  readonly meetingId: string;
  /** Finished phrases, by the time they were begun. */
  readonly finals: readonly CaptionLine[];
  /** In the order in which they were begun here. */
  readonly shown: readonly ShownCaption[];
}

/** Time passes: what has stood long enough goes. */
export type Tick = { type: 'local-tick' };

export const emptyBoard: CaptionsBoard = { meetingId: '', finals: [], shown: [] };

/** Three hours of talk; older lines are in the transcript that the server keeps. */
const MAX_FINALS = 5_000;
/** Speakers of a lively moment and their phrases of the last seconds; only two of them are on the stage. */
const MAX_SHOWN = 16;
/** People read 20 characters a second, and a subtitle stands at most 7 s (Netflix Timed Text Style Guide). */
const PER_CHARACTER_MS = 50;
const LONGEST_MS = 7_000;
/** The eye has to find it first: a judgement. */
const SHORTEST_MS = 3_000;

/** Speakers and lines of text that are on the stage at once: more would cover faces. */
export const MAX_SPEAKERS = 2;
export const MAX_LINES = 3;

/** The board after `event`; messages about other things answer the same board. */
export function reduceCaptions(board: CaptionsBoard, event: AnyServerMessage | Tick, nowMs: number): CaptionsBoard {
  switch (event.type) {
    case 'joined': {
      const same = board.meetingId === event.room.meeting_id;
      return {
        meetingId: event.room.meeting_id,
        finals: mergeFinals(same ? board.finals : [], event.captions),
        shown: same ? board.shown.filter((one) => one.line.final) : [],
      };
    }
    case 'captions':
      return event.on || board.shown.length === 0 ? board : { ...board, shown: [] };
    case 'caption':
      return withCaption(board, lineOf(event), nowMs);
    case 'local-tick':
      return board.shown.every((one) => one.untilMs > nowMs)
        ? board
        : { ...board, shown: board.shown.filter((one) => one.untilMs > nowMs) };
    default:
      return board;
  }
}

function withCaption(board: CaptionsBoard, line: CaptionLine, nowMs: number): CaptionsBoard {
  // A partial that was overtaken by its final says nothing new.
  if (!line.final && board.finals.some((one) => one.caption_id === line.caption_id)) return board;
  const finals = line.final && line.text !== '' ? mergeFinals(board.finals, [line]) : board.finals;
  const entry: ShownCaption = { line, changedAtMs: nowMs, untilMs: nowMs + heldMs(line) };
  const known = board.shown.some((one) => one.line.caption_id === line.caption_id);
  const shown = known
    ? board.shown.map((one) => (one.line.caption_id === line.caption_id ? entry : one))
    : [...board.shown, entry];
  // A final without text takes its partials away: it was no speech.
  return { ...board, finals, shown: shown.filter((one) => one.line.text !== '' && one.untilMs > nowMs).slice(-MAX_SHOWN) };
}

/** How long a text stands. A partial waits for what comes next, which always comes unless the line broke. */
function heldMs(line: CaptionLine): number {
  return line.final ? Math.min(LONGEST_MS, SHORTEST_MS + PER_CHARACTER_MS * [...line.text].length) : LONGEST_MS;
}

/** Both lists by the time of speaking, each phrase once and as it was told last. */
function mergeFinals(held: readonly CaptionLine[], more: readonly CaptionLine[]): readonly CaptionLine[] {
  const [line] = more;
  const last = held.at(-1);
  // Nearly always one phrase that follows all others.
  if (more.length === 1 && line && line.text !== '' && last && last.start_ms <= line.start_ms && !held.some((one) => one.caption_id === line.caption_id)) {
    return [...held, line].slice(-MAX_FINALS);
  }
  const byId = new Map(held.map((line) => [line.caption_id, line]));
  for (const line of more) if (line.text !== '') byId.set(line.caption_id, line);
  return [...byId.values()].sort((a, b) => a.start_ms - b.start_ms).slice(-MAX_FINALS);
}

/** The line alone, without what makes a frame of it. */
function lineOf(told: CaptionLine): CaptionLine {
  const { caption_id, participant_id, name, text, final, start_ms, end_ms, language, voice } = told;
  return { caption_id, participant_id, name, text, final, start_ms, end_ms, language, voice };
}

/** The moment at which something on the stage has to go; null while it is empty. */
export function nextChangeMs(board: CaptionsBoard): number | null {
  return board.shown.length === 0 ? null : Math.min(...board.shown.map((one) => one.untilMs));
}

export interface SpokenPart {
  readonly id: string;
  /** With the space before it that it needs. */
  readonly text: string;
  readonly final: boolean;
  readonly language: string;
}

/** What one person has on the stage. */
export interface SpokenBlock {
  readonly participantId: string;
  readonly name: string;
  readonly parts: readonly SpokenPart[];
  /** Lines of text it may take. */
  readonly lines: number;
}

/**
 * The people who spoke last, at most MAX_SPEAKERS, in the order in which they began. Who is alone has all the lines;
 * of two, the upper one has what the lower one leaves.
 */
export function spokenBlocks(board: CaptionsBoard): readonly SpokenBlock[] {
  const byPerson = new Map<string, ShownCaption[]>();
  for (const one of board.shown) {
    const list = byPerson.get(one.line.participant_id);
    if (list) list.push(one);
    else byPerson.set(one.line.participant_id, [one]);
  }
  const latest = (list: readonly ShownCaption[]): number => Math.max(...list.map((one) => one.changedAtMs));
  const people = [...byPerson.values()];
  const kept = new Set([...people].sort((a, b) => latest(b) - latest(a)).slice(0, MAX_SPEAKERS));
  const chosen = people.filter((list) => kept.has(list));
  return chosen.map((list, index) => ({
    participantId: list[0]?.line.participant_id ?? '',
    name: list.at(-1)?.line.name ?? '',
    parts: list.map(({ line }, at) => ({
      id: line.caption_id,
      text: at === 0 ? line.text : spaced(list[at - 1]?.line.text ?? '', line.text),
      final: line.final,
      language: line.language,
    })),
    lines: chosen.length === 1 ? MAX_LINES : index === chosen.length - 1 ? MAX_LINES - 1 : 1,
  }));
}

/** Han, kana and their punctuation: no space between phrases. */
const NO_SPACE = /[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]/;

function spaced(before: string, text: string): string {
  return NO_SPACE.test(before.at(-1) ?? '') && NO_SPACE.test(text[0] ?? '') ? text : ` ${text}`;
}
