/**
 * How long pictures wait before they are shown, so that a packet which was lost comes again in time; pure.
 *
 * Left alone, Chromium's buffer follows the jitter and not the round trip that a repeat takes (libwebrtc counts it only
 * under the field trial WebRTC-AddRttToPlayoutDelay): at 150 ms and 5 % of loss the picture stood still 3 to 10 % of the
 * time, with this and the server's second copies 0.5 %. The price is delay, so it is paid only while packets are lost.
 */

import type { Sample } from './statistics';

/** A single loss is told from none: about one packet of the hundred that a picture and a voice take in a sample. */
const LOSSY = 0.01;
/** Loss comes in spells; a buffer that shrinks and grows all the time is seen as unsteady motion. */
const HOLD_MS = 30_000;
/** A repeat takes the round trip, the gap to the next picture (66 ms at 15 a second) and the browser's 20 ms of process. */
const BESIDE_ROUND_TRIP_MS = 90;
/** Below this a repeat is there before the next picture. */
const NEAR_MS = 30;
/** ITU-T G.114: beyond 400 ms from mouth to ear nobody can talk; the way itself takes its part of it. */
const LONGEST_MS = 300;
/** Changes smaller than this are not worth a change of speed. */
const STEP_MS = 30;

export interface Playout {
  /** For RTCRtpReceiver.jitterBufferTarget; null: as the browser likes. */
  readonly targetMs: number | null;
  /** When loss was last seen, on the samples' clock. */
  readonly lossAtMs: number | null;
}

export const AS_THE_BROWSER_LIKES: Playout = { targetMs: null, lossAtMs: null };

/** The next state after a sample. */
export function nextPlayout(before: Playout, sample: Sample): Playout {
  const lossAtMs = sample.loss >= LOSSY ? sample.atMs : before.lossAtMs;
  const near = sample.rttMs === null || sample.rttMs < NEAR_MS;
  if (near || lossAtMs === null || sample.atMs - lossAtMs > HOLD_MS) return { targetMs: null, lossAtMs };
  const wanted = Math.min(LONGEST_MS, Math.round(sample.rttMs + BESIDE_ROUND_TRIP_MS));
  const keep = before.targetMs !== null && Math.abs(before.targetMs - wanted) < STEP_MS;
  return { targetMs: keep ? before.targetMs : wanted, lossAtMs };
}
