import { describe, expect, it } from 'vitest';
import type { ReportEmotions } from '../api/types';
import { lanesOf, seenMs, stretchOf } from './emotions';

const ana: ReportEmotions = {
  participant_id: 'a', name: 'Ana', shares: { neutral: 0.75, happy: 0.25 },
  spans: [[1_000, 2_000, 'happy'], [2_000, 5_000, 'neutral'], [9_000, 9_001, 'happy']],
};
const ben: ReportEmotions = { participant_id: 'b', name: 'Ben', shares: { sad: 1 }, spans: [[0, 1_000, 'sad']] };

describe('expressions over a meeting', () => {
  it('share one stretch, so that charts can be compared', () => {
    expect(stretchOf([ana, ben])).toEqual({ fromMs: 0, toMs: 9_001 });
    expect(stretchOf([{ ...ben, spans: [] }])).toBeNull();
    expect(stretchOf([])).toBeNull();
  });

  it('have a lane each, the longest first', () => {
    const lanes = lanesOf(ana, { fromMs: 0, toMs: 10_000 });
    expect(lanes.map(({ label, share, ms }) => [label, share, ms])).toEqual([['neutral', 0.75, 3_000], ['happy', 0.25, 1_001]]);
    expect(lanes[0]?.bars).toEqual([{ left: 20, width: 30 }]);
    expect(seenMs(ana)).toBe(4_001);
  });

  it('are seen however short, and inside of the chart', () => {
    const [, happy] = lanesOf(ana, { fromMs: 0, toMs: 9_001 });
    const last = happy?.bars.at(-1);
    expect(last?.width).toBeGreaterThan(0.5);
    expect((last?.left ?? 0) + (last?.width ?? 0)).toBeLessThanOrEqual(100);
    for (const bar of lanesOf({ ...ben, spans: [[5, 5, 'sad']] }, { fromMs: 5, toMs: 5 })[0]?.bars ?? []) expect(bar.left).toBe(0);
  });
});
