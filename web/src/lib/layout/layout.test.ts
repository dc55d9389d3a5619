import { describe, expect, it } from 'vitest';
import type { Participant } from '../protocol/messages';
import { MAX_ASPECT, MIN_ASPECT, packGrid, planStage, tilesPerPage, type Box } from './grid';
import { splitLinks } from './links';
import { avatarHue, initials } from './names';
import { layOut } from './stage';
import { wantedVideos } from './wanted';

const AREAS = [
  { width: 1256, height: 660 },
  { width: 900, height: 660 },
  { width: 374, height: 690 },
  { width: 304, height: 420 },
  { width: 3800, height: 900 },
];

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width - 0.01 && b.x < a.x + a.width - 0.01 && a.y < b.y + b.height - 0.01 && b.y < a.y + a.height - 0.01;

const person = (id: string, screen = false): Participant => ({
  participant_id: id, user_id: null, name: id, avatar_url: null, role: 'participant', joined_at_ms: 0, hand_raised_at_ms: null,
  reconnecting: false, tracks: screen ? [{ track_id: `${id}s`, source: 'screen', kind: 'video', muted: false }] : [],
});
const crowd = (count: number): Participant[] => Array.from({ length: count }, (_, index) => person(`p${index}`));
const plain = { layout: 'grid', pinned: null, dominant: null, page: 0 } as const;

describe('packGrid', () => {
  it('keeps 1 to 49 tiles inside, apart and in shape', () => {
    for (const area of AREAS) {
      for (let count = 1; count <= 49; count++) {
        const boxes = packGrid(count, area, 8);
        expect(boxes).toHaveLength(count);
        boxes.forEach((box, index) => {
          expect(box.x).toBeGreaterThanOrEqual(-0.01);
          expect(box.y).toBeGreaterThanOrEqual(-0.01);
          expect(box.x + box.width).toBeLessThanOrEqual(area.width + 0.01);
          expect(box.y + box.height).toBeLessThanOrEqual(area.height + 0.01);
          expect(box.width / box.height).toBeGreaterThan(MIN_ASPECT - 0.001);
          expect(box.width / box.height).toBeLessThan(MAX_ASPECT + 0.001);
          const next = boxes[index + 1];
          if (next) expect(overlap(box, next)).toBe(false);
        });
      }
    }
  });

  it('uses most of a usual stage', () => {
    const area = { width: 1256, height: 660 };
    for (const count of [1, 4, 9, 16, 25, 49]) {
      const used = packGrid(count, area, 8).reduce((sum, box) => sum + box.width * box.height, 0);
      expect(used / (area.width * area.height), String(count)).toBeGreaterThan(0.85);
    }
  });

  it('has nothing to place where there is no room', () => {
    expect(packGrid(3, { width: 0, height: 100 }, 8)).toEqual([]);
  });
});

describe('tilesPerPage', () => {
  it('puts 49 on a desktop and a handful on a phone', () => {
    expect(tilesPerPage(200, { width: 1256, height: 660 }, 8)).toBe(49);
    const phone = tilesPerPage(200, { width: 374, height: 690 }, 8);
    expect(phone).toBeGreaterThanOrEqual(8);
    expect(phone).toBeLessThanOrEqual(30);
  });
});

describe('planStage', () => {
  it('gives the main picture about three quarters', () => {
    const area = { width: 1256, height: 660 };
    const { main, strip } = planStage(6, area, 8);
    expect((main.width * main.height) / (area.width * area.height)).toBeGreaterThan(0.7);
    for (const box of strip) expect(overlap(main, box)).toBe(false);
  });

  it('puts the strip below on a tall stage', () => {
    const { main, strip } = planStage(6, { width: 374, height: 690 }, 8);
    for (const box of strip) expect(box.y).toBeGreaterThanOrEqual(main.height);
  });
});

describe('layOut', () => {
  const area = { width: 1256, height: 660 };

  it('pages beyond what fits', () => {
    const first = layOut(crowd(60), plain, area);
    const last = layOut(crowd(60), { ...plain, page: 9 }, area);
    expect([first.pages, first.placed.length, last.placed.length]).toEqual([2, 49, 11]);
    expect(last.placed[0]?.box.width).toBe(first.placed[0]?.box.width);
  });

  it('makes a shared screen the main picture, and a pin goes before it', () => {
    const people = [person('a'), person('b', true)];
    expect(layOut(people, plain, area).placed[0]).toMatchObject({ key: 'b:screen', main: true });
    const pinned = { ...plain, pinned: { participantId: 'a', source: 'camera' } as const };
    expect(layOut(people, pinned, area).placed[0]).toMatchObject({ key: 'a:camera', main: true });
  });

  it('shows the dominant speaker big in the speaker layout and never hides them in a strip', () => {
    const wish = { ...plain, layout: 'speaker', dominant: 'p3' } as const;
    expect(layOut(crowd(5), wish, area).placed[0]?.key).toBe('p3:camera');
    const people = [person('s', true), ...crowd(30)];
    const { placed } = layOut(people, { ...plain, dominant: 'p29' }, area);
    expect(placed.map((one) => one.key)).toContain('p29:camera');
  });

  it('moves nobody when somebody else speaks in the grid', () => {
    const before = layOut(crowd(9), plain, area);
    expect(layOut(crowd(9), { ...plain, dominant: 'p5' }, area)).toEqual(before);
  });
});

describe('wantedVideos', () => {
  const shown = (id: string, width: number, source: 'camera' | 'screen' = 'camera') => ({
    participantId: id, source, width, height: (width * 9) / 16, pinned: false,
  });

  it('asks for device pixels and for the sound of who is out of sight', () => {
    const list = wantedVideos([shown('a', 320)], ['a', 'b'], 2);
    expect(list).toMatchObject([
      { participant_id: 'a', width: 640, height: 368 },
      { participant_id: 'b', width: 0, height: 0 },
    ]);
  });

  it('puts screens first and the big picture before the strip', () => {
    const list = wantedVideos([shown('a', 300), shown('b', 900, 'screen'), shown('b', 300)], ['a', 'b'], 1);
    expect(list[0]).toMatchObject({ participant_id: 'b', source: 'screen', priority: 255 });
    const speaker = wantedVideos([shown('a', 900), shown('b', 200)], ['a', 'b'], 1);
    expect(speaker.map((one) => one.priority)).toEqual([50, 1]);
    const even = wantedVideos([shown('a', 400), shown('b', 400)], ['a', 'b'], 1);
    expect(even.map((one) => one.priority)).toEqual([1, 1]);
  });

  it('never asks for more than the message holds', () => {
    expect(wantedVideos([], Array.from({ length: 300 }, (_, index) => `p${index}`), 1)).toHaveLength(100);
  });
});

describe('names', () => {
  it('become one or two letters', () => {
    expect(['Ada Lovelace', 'bob', '李小明', ' ', 'Ana María de la Cruz'].map(initials)).toEqual(['AL', 'B', '明', '?', 'AC']);
  });

  it('have a hue that stays', () => {
    expect(avatarHue('Ada')).toBe(avatarHue('Ada'));
    expect(avatarHue('Ada')).toBeLessThan(360);
  });
});

describe('splitLinks', () => {
  it('links http and https and nothing else', () => {
    expect(splitLinks('see https://a.example/x?y=1. javascript:alert(1)')).toEqual([
      { kind: 'text', text: 'see ' },
      { kind: 'link', text: 'https://a.example/x?y=1' },
      { kind: 'text', text: '. javascript:alert(1)' },
    ]);
    expect(splitLinks('看 http://b.example/路径。好')[1]).toEqual({ kind: 'link', text: 'http://b.example/路径' });
  });
});
