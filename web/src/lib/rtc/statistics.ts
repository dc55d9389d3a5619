/** getStats() boiled down to what people care about; pure. Rates in bits per second, loss as a share from 0 to 1. */

import type { Source } from '../protocol/messages';

export interface TrackSample {
  readonly id: string;
  readonly direction: 'out' | 'in';
  readonly kind: 'audio' | 'video';
  /** What we publish, or null for a seat. */
  readonly source: Source | null;
  readonly seat: number | null;
  readonly rid: string | null;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  readonly framesDecoded: number;
  readonly audioEnergy: number;
  readonly bytes: number;
  readonly packets: number;
  readonly lost: number;
  readonly bitrateBps: number;
  readonly limitedBy: string | null;
}

export interface Sample {
  readonly atMs: number;
  readonly sentBps: number;
  readonly receivedBps: number;
  readonly rttMs: number | null;
  /** Of what should have arrived here since the sample before. */
  readonly loss: number;
  /** `udp`, `tcp` or null while there is no way. */
  readonly protocol: string | null;
  readonly remoteAddress: string | null;
  readonly tracks: readonly TrackSample[];
}

type Stat = Record<string, unknown> & { id: string; type: string; timestamp: number };

const number = (stat: Stat | undefined, key: string): number => {
  const value = stat?.[key];
  return typeof value === 'number' ? value : 0;
};
const text = (stat: Stat | undefined, key: string): string | null => {
  const value = stat?.[key];
  return typeof value === 'string' ? value : null;
};

/** A sample from a report; rates are against `before` (null: the first one, all rates 0). */
export function summarise(
  stats: readonly Stat[],
  lines: { publish: ReadonlyMap<string, Source>; receive: ReadonlyMap<string, number> },
  before: Sample | null,
): Sample {
  const byId = new Map(stats.map((stat) => [stat.id, stat]));
  const atMs = stats[0]?.timestamp ?? 0;
  const seconds = before ? Math.max(0.001, (atMs - before.atMs) / 1000) : 0;
  const earlier = new Map(before?.tracks.map((track) => [track.id, track]));
  const tracks: TrackSample[] = [];
  for (const stat of stats) {
    if (stat.type !== 'outbound-rtp' && stat.type !== 'inbound-rtp') continue;
    tracks.push(trackSample(stat, byId, lines, earlier.get(stat.id), seconds));
  }
  const pair = selectedPair(stats, byId);
  const remote = byId.get(text(pair, 'remoteCandidateId') ?? '');
  const rtt = pair?.['currentRoundTripTime'];
  const incoming = tracks.filter((track) => track.direction === 'in');
  const lostNow = sumDelta(incoming, earlier, 'lost');
  const receivedNow = sumDelta(incoming, earlier, 'packets');
  return {
    atMs,
    sentBps: sum(tracks.filter((track) => track.direction === 'out')),
    receivedBps: sum(incoming),
    rttMs: typeof rtt === 'number' ? Math.round(rtt * 1000) : null,
    loss: lostNow + receivedNow > 0 ? Math.max(0, lostNow) / (Math.max(0, lostNow) + receivedNow) : 0,
    protocol: text(byId.get(text(pair, 'localCandidateId') ?? ''), 'protocol'),
    remoteAddress: remote ? `${text(remote, 'address') ?? text(remote, 'ip') ?? '?'}:${number(remote, 'port')}` : null,
    tracks,
  };
}

function trackSample(
  stat: Stat,
  byId: ReadonlyMap<string, Stat>,
  lines: { publish: ReadonlyMap<string, Source>; receive: ReadonlyMap<string, number> },
  earlier: TrackSample | undefined,
  seconds: number,
): TrackSample {
  const out = stat.type === 'outbound-rtp';
  const bytes = number(stat, out ? 'bytesSent' : 'bytesReceived');
  const mid = text(stat, 'mid') ?? '';
  const limit = text(stat, 'qualityLimitationReason');
  return {
    id: stat.id,
    direction: out ? 'out' : 'in',
    kind: stat['kind'] === 'video' ? 'video' : 'audio',
    source: lines.publish.get(mid) ?? null,
    seat: lines.receive.get(mid) ?? null,
    rid: text(stat, 'rid'),
    codec: (text(byId.get(text(stat, 'codecId') ?? ''), 'mimeType') ?? '').replace(/^.*\//, ''),
    width: number(stat, 'frameWidth'),
    height: number(stat, 'frameHeight'),
    framesPerSecond: number(stat, 'framesPerSecond'),
    framesDecoded: number(stat, 'framesDecoded'),
    audioEnergy: number(stat, 'totalAudioEnergy'),
    bytes,
    packets: number(stat, out ? 'packetsSent' : 'packetsReceived'),
    lost: number(stat, 'packetsLost'),
    bitrateBps: earlier && seconds > 0 ? Math.max(0, ((bytes - earlier.bytes) * 8) / seconds) : 0,
    limitedBy: limit === 'none' ? null : limit,
  };
}

function selectedPair(stats: readonly Stat[], byId: ReadonlyMap<string, Stat>): Stat | undefined {
  const transport = stats.find((stat) => stat.type === 'transport' && text(stat, 'selectedCandidatePairId'));
  if (transport) return byId.get(text(transport, 'selectedCandidatePairId') ?? '');
  // Firefox marks the pair instead.
  return stats.find((stat) => stat.type === 'candidate-pair' && stat['selected'] === true);
}

function sum(tracks: readonly TrackSample[]): number {
  return tracks.reduce((total, track) => total + track.bitrateBps, 0);
}

function sumDelta(
  tracks: readonly TrackSample[],
  earlier: ReadonlyMap<string, TrackSample>,
  key: 'lost' | 'packets',
): number {
  return tracks.reduce((total, track) => total + track[key] - (earlier.get(track.id)?.[key] ?? track[key]), 0);
}

/** RTCStatsReport as a plain list. */
export function listOf(report: RTCStatsReport): Stat[] {
  const list: Stat[] = [];
  report.forEach((stat: Stat) => list.push(stat));
  return list;
}
