/** Expressions over a meeting as the report shows them; pure. Owns what stands where; refuses to know the page. */

import type { EmotionLabel, ReportEmotions } from '../api/types';

/** A span narrower than this is widened to be seen, in percent of the chart: about 2 px of a phone's. */
const NARROWEST = 0.8;

export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Lane {
  readonly label: EmotionLabel;
  /** 0 to 1 of the time in which a face was seen. */
  readonly share: number;
  readonly ms: number;
  /** Where the bars are, in percent of the chart. */
  readonly bars: readonly { readonly left: number; readonly width: number }[];
}

/** What all charts of a report span, so that they can be read one below the other; null without any span. */
export function stretchOf(emotions: readonly ReportEmotions[]): Stretch | null {
  const spans = emotions.flatMap((one) => one.spans);
  if (spans.length === 0) return null;
  return { fromMs: Math.min(...spans.map(([from]) => from)), toMs: Math.max(...spans.map(([, to]) => to)) };
}

/** One lane for each expression that somebody had, the longest first. */
export function lanesOf(one: ReportEmotions, stretch: Stretch): readonly Lane[] {
  const whole = Math.max(1, stretch.toMs - stretch.fromMs);
  const labels = [...new Set(one.spans.map(([, , label]) => label))];
  const lanes = labels.map((label): Lane => {
    const spans = one.spans.filter((span) => span[2] === label);
    return {
      label,
      share: one.shares[label] ?? 0,
      ms: spans.reduce((sum, [from, to]) => sum + to - from, 0),
      bars: spans.map(([from, to]) => {
        const width = Math.max(NARROWEST, ((to - from) / whole) * 100);
        return { left: Math.min(100 - width, ((from - stretch.fromMs) / whole) * 100), width };
      }),
    };
  });
  return lanes.sort((a, b) => b.ms - a.ms);
}

/** How long a face was seen. */
export function seenMs(one: ReportEmotions): number {
  return one.spans.reduce((sum, [from, to]) => sum + to - from, 0);
}
