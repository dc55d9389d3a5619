/** What the stage shows, put as the `subscribe` message; pure. */

import type { VideoSource, WantedVideo } from '../protocol/messages';

export interface ShownPicture {
  readonly participantId: string;
  readonly source: VideoSource;
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
  readonly pinned: boolean;
}

/** Screens go before people, pinned before others; same steps as the server's allocator. */
const SCREEN_PRIORITY = 255;
const PINNED_PRIORITY = 100;
const MAIN_PRIORITY = 50;
const TILE_PRIORITY = 1;
/** Bound of `Subscribe.videos`. */
const MAX_ENTRIES = 100;
/** A tile that is at least this share of the biggest one counts as a main picture. */
const MAIN_SHARE = 0.9;

/** Sizes are rounded up to this many pixels, so that a resize by a pixel is not a new wish. */
const STEP = 16;

/**
 * The list for everybody: shown pictures with their size in device pixels, the rest with 0 × 0 so that they are heard.
 * `everybody` is in the order of joining and holds no self.
 */
export function wantedVideos(
  shown: readonly ShownPicture[],
  everybody: readonly string[],
  pixelRatio: number,
): WantedVideo[] {
  const biggest = Math.max(0, ...shown.map((picture) => picture.width * picture.height));
  const single = shown.filter((picture) => picture.width * picture.height >= biggest * MAIN_SHARE).length === 1;
  const list = shown.map((picture): WantedVideo => {
    const main = single && shown.length > 1 && picture.width * picture.height === biggest;
    return {
      participant_id: picture.participantId,
      source: picture.source,
      width: devicePixels(picture.width, pixelRatio),
      height: devicePixels(picture.height, pixelRatio),
      max_fps: 30,
      priority:
        picture.source === 'screen'
          ? SCREEN_PRIORITY
          : picture.pinned
            ? PINNED_PRIORITY
            : main
              ? MAIN_PRIORITY
              : TILE_PRIORITY,
      pinned: picture.pinned,
    };
  });
  const seen = new Set(shown.filter((one) => one.source === 'camera').map((one) => one.participantId));
  for (const id of everybody) {
    if (!seen.has(id)) {
      list.push({ participant_id: id, source: 'camera', width: 0, height: 0, max_fps: 30, priority: 0, pinned: false });
    }
  }
  return list.sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0)).slice(0, MAX_ENTRIES);
}

function devicePixels(size: number, pixelRatio: number): number {
  return Math.min(8192, Math.ceil((size * pixelRatio) / STEP) * STEP);
}
