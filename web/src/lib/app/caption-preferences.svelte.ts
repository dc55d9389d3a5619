/** How this person wants captions: shown or not, how large, where. Owns the choice, which stays in this browser. */

export type CaptionSize = 'small' | 'medium' | 'large';
export type CaptionPlace = 'bottom' | 'top';

export interface CaptionChoice {
  readonly shown: boolean;
  readonly size: CaptionSize;
  readonly place: CaptionPlace;
  /** Others speak into this device's microphone too: it stands in a room. */
  readonly sharedMicrophone: boolean;
}

export const CAPTION_SIZES: readonly CaptionSize[] = ['small', 'medium', 'large'];
export const CAPTION_PLACES: readonly CaptionPlace[] = ['bottom', 'top'];

/** A host switched captions on for somebody who needs them: they are there until one hides them. */
export const usualCaptions: CaptionChoice = { shown: true, size: 'medium', place: 'bottom', sharedMicrophone: false };

const STORAGE_KEY = 'parley.captions';

/** What was kept before; whatever cannot be read is as usual. */
export function readChoice(kept: string | null): CaptionChoice {
  if (kept === null) return usualCaptions;
  let value: unknown;
  try {
    value = JSON.parse(kept);
  } catch (error) {
    if (error instanceof SyntaxError) return usualCaptions;
    throw error;
  }
  const held: Partial<Record<keyof CaptionChoice, unknown>> = typeof value === 'object' && value !== null ? value : {};
  return {
    shown: typeof held.shown === 'boolean' ? held.shown : usualCaptions.shown,
    size: CAPTION_SIZES.find((one) => one === held.size) ?? usualCaptions.size,
    place: CAPTION_PLACES.find((one) => one === held.place) ?? usualCaptions.place,
    sharedMicrophone: typeof held.sharedMicrophone === 'boolean' ? held.sharedMicrophone : usualCaptions.sharedMicrophone,
  };
}

class CaptionPreferences {
  current = $state.raw<CaptionChoice>(usualCaptions);

  start(): void {
    this.current = readChoice(localStorage.getItem(STORAGE_KEY));
  }

  change(change: Partial<CaptionChoice>): void {
    this.current = { ...this.current, ...change };
    localStorage.setItem(STORAGE_KEY, JSON.stringify(this.current));
  }
}

export const captionPreferences = new CaptionPreferences();
