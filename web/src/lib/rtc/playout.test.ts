import { describe, expect, it } from 'vitest';
import { AS_THE_BROWSER_LIKES, nextPlayout } from './playout';
import type { Sample } from './statistics';

const sample = (atS: number, loss: number, rttMs: number | null): Sample => ({
  atMs: atS * 1000,
  sentBps: 0,
  receivedBps: 0,
  rttMs,
  loss,
  protocol: 'udp',
  remoteAddress: null,
  tracks: [],
});

const after = (...samples: Sample[]) => samples.reduce(nextPlayout, AS_THE_BROWSER_LIKES).targetMs;

describe('nextPlayout', () => {
  it('waits for a repeat while packets are lost', () => {
    expect(after(sample(0, 0.05, 150))).toBe(240);
    expect(after(sample(0, 0.05, 50))).toBe(140);
  });

  it('adds no delay to a link that loses nothing, or is near', () => {
    expect(after(sample(0, 0.005, 150))).toBeNull();
    expect(after(sample(0, 0.05, 10))).toBeNull();
    expect(after(sample(0, 0.05, null))).toBeNull();
  });

  it('never makes talking impossible', () => {
    expect(after(sample(0, 0.1, 700))).toBe(300);
  });

  it('holds through a spell and ends after it', () => {
    expect(after(sample(0, 0.05, 150), sample(20, 0, 150))).toBe(240);
    expect(after(sample(0, 0.05, 150), sample(20, 0.02, 150), sample(49, 0, 150))).toBe(240);
    expect(after(sample(0, 0.05, 150), sample(31, 0, 150))).toBeNull();
  });

  it('does not follow every wave of the round trip', () => {
    expect(after(sample(0, 0.05, 150), sample(2, 0.05, 170))).toBe(240);
    expect(after(sample(0, 0.05, 150), sample(2, 0.05, 100))).toBe(190);
  });
});
