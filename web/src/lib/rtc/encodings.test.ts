import { describe, expect, it } from 'vitest';
import { encodingsFor } from './encodings';

const rids = (width: number, height: number): (string | undefined)[] => encodingsFor('camera', { width, height }).map((one) => one.rid);

describe('encodingsFor', () => {
  it('gives a camera as many layers as its picture is worth, lowest first', () => {
    expect(rids(1280, 720)).toEqual(['q', 'h', 'f']);
    expect(rids(720, 1280)).toEqual(['q', 'h', 'f']);
    expect(rids(640, 360)).toEqual(['h', 'f']);
    expect(rids(320, 180)).toEqual([undefined]);
    expect(encodingsFor('camera', {}).map((one) => one.scaleResolutionDownBy)).toEqual([4, 2, 1]);
  });

  it('sends a screen and sounds in one layer', () => {
    for (const source of ['screen', 'microphone', 'screen_audio'] as const) expect(encodingsFor(source, {})).toHaveLength(1);
  });

  it('hands out copies', () => {
    const [first] = encodingsFor('screen', {});
    if (first) first.maxBitrate = 1;
    expect(encodingsFor('screen', {})[0]?.maxBitrate).toBe(2_500_000);
  });
});
