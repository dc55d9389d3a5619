/**
 * `window.__parley`: a handle for end-to-end tests and for people who look into a call from the console. It shows
 * what the page knows and can break the connection on purpose; it can do nothing that the page's user cannot.
 */

import type { Sample } from '../rtc/statistics';
import type { Phase } from '../signaling/machine';
import type { RoomView } from '../state/room';
import type { RoomSession } from './room-session.svelte';

export interface DebugHandle {
  /** The room as the reducer holds it. */
  view(): RoomView;
  /** Where the signaling session is: idle, connecting, joined, waiting, closed. */
  phase(): Phase;
  /** State of the peer connection. */
  media(): RTCPeerConnectionState;
  /** A fresh measurement with one entry for every RTP stream. */
  stats(): Promise<Sample | null>;
  /** Close the socket as a broken network would; the session resumes by itself. */
  breakSocket(): void;
  restartIce(): void;
}

declare global {
  interface Window {
    __parley?: DebugHandle;
  }
}

export function exposeForTests(session: RoomSession): void {
  window.__parley = {
    view: () => session.view,
    phase: () => session.phase,
    media: () => session.media,
    stats: () => session.measure(),
    breakSocket: () => session.breakSocket(),
    restartIce: () => session.restartIce(),
  };
}
