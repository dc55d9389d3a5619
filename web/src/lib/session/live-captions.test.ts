import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readChoice, usualCaptions } from '../app/caption-preferences.svelte';
import type { AnyClientMessage, AnyServerMessage } from '../protocol/messages';
import { LiveCaptions } from './live-captions.svelte';

const caption = (id: string, text: string, final: boolean): AnyServerMessage => ({
  type: 'caption', caption_id: id, participant_id: 'b', name: 'Ben', text, final, start_ms: 0, end_ms: 1, language: 'en', voice: null,
});

let sent: AnyClientMessage[];
let live: LiveCaptions;

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  live = new LiveCaptions({ send: (message) => sent.push(message) }, () => Date.now());
});

afterEach(() => {
  live.close();
  vi.useRealTimers();
});

describe('captions of a stay', () => {
  it('go from the stage by themselves, and stay in the transcript', () => {
    live.received(caption('c1', 'Yes.', true));
    vi.advanceTimersByTime(1_000);
    live.received(caption('c2', 'and', false));
    vi.advanceTimersByTime(2_200);
    expect(live.board.shown.map((one) => one.line.text)).toEqual(['and']);
    vi.advanceTimersByTime(4_800);
    expect([live.board.shown, live.board.finals.map((one) => one.text)]).toEqual([[], ['Yes.']]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('wait for nothing once the stay is over', () => {
    live.received(caption('c1', 'Yes.', true));
    live.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are switched for everybody by a message', () => {
    live.set(true, 'en');
    live.set(false);
    expect(sent).toEqual([
      { type: 'set_captions', on: true, language: 'en' },
      { type: 'set_captions', on: false, language: null },
    ]);
  });
});

describe('a microphone that several people share', () => {
  const joined = (voices: boolean): AnyServerMessage => ({ type: 'joined', room: { captions: { voices } }, captions: [] }) as unknown as AnyServerMessage;

  beforeEach(() => vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => undefined }));
  afterEach(() => {
    live.preferences.change({ sharedMicrophone: false });
    vi.unstubAllGlobals();
  });

  it('is told at once, and again in each new stay', () => {
    live.share(true);
    live.received(joined(true));
    live.received(joined(false)); // nobody there can tell voices apart
    live.share(false);
    live.received(joined(true));
    expect(sent).toEqual([
      { type: 'share_microphone', shared: true },
      { type: 'share_microphone', shared: true },
      { type: 'share_microphone', shared: false },
    ]);
  });
});

describe('what this browser keeps of captions', () => {
  it('is read again', () => {
    expect(readChoice(JSON.stringify({ shown: false, size: 'large', place: 'top', sharedMicrophone: true }))).toEqual({ shown: false, size: 'large', place: 'top', sharedMicrophone: true });
  });

  it('is as usual where it cannot be read', () => {
    for (const kept of [null, '', '{', 'null', '[]', '"large"', '{"size":"huge","place":3,"shown":"no"}']) expect(readChoice(kept), String(kept)).toEqual(usualCaptions);
  });
});
