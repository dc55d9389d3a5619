/** What is said of the analysis of pictures in words. */

import { clock } from '../lib/app/times';
import { language, t, type TextKey } from '../lib/i18n/index.svelte';
import type { VisionState } from '../lib/protocol/messages';
import { ANALYSES, visionTrouble, type Analysis } from '../lib/state/vision';

/** That one analysis is on, who switched it on and when; or that it is off. */
export function analysisTold(state: VisionState, analysis: Analysis): string {
  const { on, by_name, since_ms } = state[analysis];
  if (!on) return t(`vision.${analysis}Off`);
  if (by_name === null || since_ms === null) return t(`vision.${analysis}Told`);
  return t(`vision.${analysis}ToldSince`, { name: by_name, time: clock(since_ms, language.current) });
}

/** All that is on, and what is wrong with it. */
export function visionTold(state: VisionState): string {
  const told = ANALYSES.filter((one) => state[one].on).flatMap((one) => {
    const trouble = visionTrouble(state[one]);
    return trouble === null ? [analysisTold(state, one)] : [analysisTold(state, one), t(trouble)];
  });
  return [...told, t('vision.onlyAgreed')].join(' ');
}

/** The few words of the chip. */
export function visionChip(state: VisionState): TextKey {
  const on = ANALYSES.filter((one) => state[one].on);
  if (on.every((one) => !state[one].available)) return 'vision.chipStopped';
  if (on.length === 2) return 'vision.chip';
  return on[0] === 'emotion' ? 'vision.chipEmotion' : 'vision.chipDeepfake';
}
