/** A face and a shade for each expression. The word always stands beside it, or is its name. */

import Angry from '@lucide/svelte/icons/face-angry';
import Happy from '@lucide/svelte/icons/face-grinning';
import Neutral from '@lucide/svelte/icons/face-neutral';
import Sad from '@lucide/svelte/icons/face-slightly-frowning';
import type { Component } from 'svelte';
import type { EmotionLabel } from '../lib/state/vision';
import SurpriseIcon from '../room/SurpriseIcon.svelte';
import DisgustIcon from './DisgustIcon.svelte';
import FearIcon from './FearIcon.svelte';

export const EMOTION_ICONS: Record<EmotionLabel, Component<{ size?: number }>> = {
  angry: Angry,
  disgust: DisgustIcon,
  fear: FearIcon,
  happy: Happy,
  sad: Sad,
  surprise: SurpriseIcon,
  neutral: Neutral,
};
