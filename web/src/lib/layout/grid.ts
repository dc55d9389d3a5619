/** Where tiles go: pure geometry in CSS pixels. Owns packing and paging; refuses to know who sits in a tile. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Box extends Size {
  readonly x: number;
  readonly y: number;
}

/** Cameras send 16:9; cropping at most 15 % (UI rule) lets a tile be this narrow or this wide. */
const ASPECT = 16 / 9;
const MAX_CROP = 0.15;
export const MIN_ASPECT = ASPECT * (1 - MAX_CROP);
export const MAX_ASPECT = ASPECT / (1 - MAX_CROP);

/** 7 × 7: the most that the server gives one client (signaling `max_seats`). */
export const MAX_TILES = 49;

/** Below this width faces say nothing; a page holds fewer tiles instead. About a third of a small phone. */
const MIN_TILE_WIDTH = 116;

/** The biggest tile with an allowed shape that fits into a cell. */
export function fitTile(cell: Size): Size {
  const aspect = Math.min(MAX_ASPECT, Math.max(MIN_ASPECT, cell.width / cell.height));
  return cell.width / cell.height > aspect
    ? { width: cell.height * aspect, height: cell.height }
    : { width: cell.width, height: cell.width / aspect };
}

/** Boxes for `count` tiles in `area`, rows filled from the left and the last row centred; biggest tiles win. */
export function packGrid(count: number, area: Size, gap: number): Box[] {
  if (count <= 0 || area.width <= 0 || area.height <= 0) return [];
  let best: { columns: number; tile: Size } | null = null;
  for (let columns = 1; columns <= count; columns++) {
    const tile = tileFor(columns, Math.ceil(count / columns), area, gap);
    if (tile && (!best || tile.width * tile.height > best.tile.width * best.tile.height + 0.5)) best = { columns, tile };
  }
  if (!best) return [];
  const { columns, tile } = best;
  const rows = Math.ceil(count / columns);
  const top = (area.height - rows * tile.height - (rows - 1) * gap) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const left = (area.width - inRow * tile.width - (inRow - 1) * gap) / 2;
    return {
      x: left + (index % columns) * (tile.width + gap),
      y: top + row * (tile.height + gap),
      width: tile.width,
      height: tile.height,
    };
  });
}

function tileFor(columns: number, rows: number, area: Size, gap: number): Size | null {
  const cell = {
    width: (area.width - (columns - 1) * gap) / columns,
    height: (area.height - (rows - 1) * gap) / rows,
  };
  return cell.width <= 0 || cell.height <= 0 ? null : fitTile(cell);
}

/** How many tiles a page holds so that none is narrower than a face needs. */
export function tilesPerPage(count: number, area: Size, gap: number): number {
  for (let size = Math.min(count, MAX_TILES); size > 1; size--) {
    const first = packGrid(size, area, gap)[0];
    if (first && first.width >= MIN_TILE_WIDTH) return size;
  }
  return 1;
}

export interface StagePlan {
  readonly main: Box;
  /** Tiles beside or below the main picture. */
  readonly strip: readonly Box[];
}

/** A main picture on about three quarters, the others in one strip: at the right on wide stages, below on tall ones. */
export function planStage(others: number, area: Size, gap: number): StagePlan {
  if (others === 0) return { main: { x: 0, y: 0, ...area }, strip: [] };
  if (area.width >= area.height) {
    const width = Math.max(140, Math.min(area.width * 0.22, 300));
    const tile = { width, height: width / ASPECT };
    const shown = Math.max(1, Math.min(others, Math.floor((area.height + gap) / (tile.height + gap))));
    const top = (area.height - shown * tile.height - (shown - 1) * gap) / 2;
    return {
      main: { x: 0, y: 0, width: area.width - width - gap, height: area.height },
      strip: Array.from({ length: shown }, (_, index) => ({
        x: area.width - width,
        y: top + index * (tile.height + gap),
        ...tile,
      })),
    };
  }
  const height = Math.max(72, Math.min(area.height * 0.2, 150));
  const tile = { width: height * MIN_ASPECT, height };
  const shown = Math.max(1, Math.min(others, Math.floor((area.width + gap) / (tile.width + gap))));
  return {
    main: { x: 0, y: 0, width: area.width, height: area.height - height - gap },
    strip: Array.from({ length: shown }, (_, index) => ({
      // From the left: one's own picture begins at the right.
      x: index * (tile.width + gap),
      y: area.height - height,
      ...tile,
    })),
  };
}
