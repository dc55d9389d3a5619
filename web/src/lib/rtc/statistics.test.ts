import { describe, expect, it } from 'vitest';
import { summarise } from './statistics';

const lines = { publish: new Map([['0', 'camera' as const]]), receive: new Map([['1', 3]]) };

function report(atMs: number, bytesOut: number, bytesIn: number, packets: number, lost: number) {
  return [
    { id: 'T', type: 'transport', timestamp: atMs, selectedCandidatePairId: 'P' },
    { id: 'P', type: 'candidate-pair', timestamp: atMs, currentRoundTripTime: 0.0123, localCandidateId: 'L', remoteCandidateId: 'R' },
    { id: 'L', type: 'local-candidate', timestamp: atMs, protocol: 'tcp' },
    { id: 'R', type: 'remote-candidate', timestamp: atMs, address: '127.0.0.1', port: 8801 },
    { id: 'C', type: 'codec', timestamp: atMs, mimeType: 'video/VP8' },
    { id: 'O', type: 'outbound-rtp', timestamp: atMs, kind: 'video', mid: '0', rid: 'h', codecId: 'C', bytesSent: bytesOut, frameWidth: 640, frameHeight: 360, qualityLimitationReason: 'cpu' },
    { id: 'I', type: 'inbound-rtp', timestamp: atMs, kind: 'video', mid: '1', bytesReceived: bytesIn, packetsReceived: packets, packetsLost: lost },
  ];
}

describe('summarise', () => {
  it('has no rates in the first sample', () => {
    const first = summarise(report(0, 1_000, 2_000, 10, 0), lines, null);
    expect(first).toMatchObject({ sentBps: 0, receivedBps: 0, rttMs: 12, protocol: 'tcp', remoteAddress: '127.0.0.1:8801', loss: 0 });
  });

  it('counts bits per second and loss since the sample before', () => {
    const first = summarise(report(0, 1_000, 2_000, 10, 0), lines, null);
    const second = summarise(report(2_000, 26_000, 127_000, 100, 10), lines, first);
    expect(second.sentBps).toBe(100_000);
    expect(second.receivedBps).toBe(500_000);
    expect(second.loss).toBeCloseTo(0.1);
  });

  it('names what is published and which seat receives', () => {
    const sample = summarise(report(0, 0, 0, 0, 0), lines, null);
    expect(sample.tracks).toMatchObject([
      { direction: 'out', source: 'camera', rid: 'h', codec: 'VP8', width: 640, limitedBy: 'cpu' },
      { direction: 'in', seat: 3, source: null },
    ]);
  });
});
