/** Which pictures the stage holds and where; pure. Takes the room and the wishes, answers boxes. */

import type { Participant, VideoSource } from '../protocol/messages';
import { sends } from '../state/room';
import { packGrid, planStage, tilesPerPage, type Box, type Size } from './grid';

export interface Picture {
  readonly key: string;
  readonly participant: Participant;
  readonly source: VideoSource;
}

export interface PlacedPicture extends Picture {
  readonly box: Box;
  readonly main: boolean;
}

export interface StageLayout {
  readonly placed: readonly PlacedPicture[];
  readonly pages: number;
}

export interface StageWish {
  readonly layout: 'grid' | 'speaker';
  readonly pinned: { readonly participantId: string; readonly source: VideoSource } | null;
  readonly dominant: string | null;
  readonly page: number;
}

/** Space between tiles: two steps of the 4-px grid. */
export const GAP = 8;

function picture(participant: Participant, source: VideoSource): Picture {
  return { key: `${participant.participant_id}:${source}`, participant, source };
}

/** Lays out everybody but oneself. */
export function layOut(others: readonly Participant[], wish: StageWish, area: Size): StageLayout {
  const screens = others.filter((one) => sends(one, 'screen')).map((one) => picture(one, 'screen'));
  const people = others.map((one) => picture(one, 'camera'));
  const main = choose(screens, people, wish);
  if (!main) return grid(people, wish.page, area);
  const rest = [...screens, ...people].filter((one) => one.key !== main.key);
  const plan = planStage(rest.length, area, GAP);
  const strip = keepVisible(rest, plan.strip.length, wish.dominant);
  return {
    placed: [
      { ...main, box: plan.main, main: true },
      ...strip.map((one, index) => ({ ...one, box: plan.strip[index] ?? plan.main, main: false })),
    ],
    pages: 1,
  };
}

function choose(screens: readonly Picture[], people: readonly Picture[], wish: StageWish): Picture | null {
  const pinned = [...screens, ...people].find(
    (one) => one.participant.participant_id === wish.pinned?.participantId && one.source === wish.pinned.source,
  );
  if (pinned) return pinned;
  const screen = screens.at(-1);
  if (screen) return screen;
  if (wish.layout === 'grid' || people.length < 2) return null;
  return people.find((one) => one.participant.participant_id === wish.dominant) ?? people[0] ?? null;
}

function grid(people: readonly Picture[], page: number, area: Size): StageLayout {
  const size = tilesPerPage(people.length, area, GAP);
  const pages = Math.max(1, Math.ceil(people.length / size));
  const at = Math.min(page, pages - 1) * size;
  const shown = people.slice(at, at + size);
  // The last page keeps the tile size of the others, so that turning pages does not make faces jump.
  const boxes = packGrid(pages > 1 ? size : shown.length, area, GAP);
  return {
    placed: shown.map((one, index) => ({ ...one, box: boxes[index] ?? { x: 0, y: 0, ...area }, main: false })),
    pages,
  };
}

/** The first `count`, in order; whoever speaks takes the last place rather than being out of sight. */
function keepVisible(list: readonly Picture[], count: number, dominant: string | null): readonly Picture[] {
  const shown = list.slice(0, count);
  const speaker = list.slice(count).find((one) => one.participant.participant_id === dominant && one.source === 'camera');
  return speaker && count > 0 ? [...shown.slice(0, count - 1), speaker] : shown;
}
