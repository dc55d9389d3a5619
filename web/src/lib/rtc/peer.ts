/**
 * The one RTCPeerConnection of a session: what we publish, the receive seats, and the offers that tie them together.
 *
 * Owns transceivers and negotiation; refuses to know who sits on a seat, where tracks come from and how messages
 * travel. The client always offers, one offer is under way at a time, and whatever changes meanwhile goes into the
 * next one. The server is ICE-lite: it learns our addresses from our checks, so nothing is trickled.
 */

import type { IceServer, MediaNeed, Offer, PublishLayer, PublishLine, ReceiveLine, Source } from '../protocol/messages';
import { preferForwarded, preferRedundancy } from './codecs';
import { encodingsFor } from './encodings';
import { activate, activateAll, changeParameters } from './layers';

export interface PeerEvents {
  offer(offer: Offer): void;
  /** A media track of a seat exists; it stays the same for the life of the peer. */
  seatAdded(seat: Seat): void;
  connection(state: RTCPeerConnectionState): void;
  data(label: 'reactions' | 'captions', text: string): void;
}

export interface Seat {
  readonly seat: number;
  readonly audio: MediaStream;
  /** Null for a seat that only sounds. */
  readonly video: MediaStream | null;
}

interface SeatLines {
  readonly seat: number;
  readonly audio: RTCRtpTransceiver;
  readonly video: RTCRtpTransceiver | null;
}

/** How an offer ended: `again` and `late` want another one, `refused` leaves things as they were. */
type Outcome = 'answered' | 'refused' | 'again' | 'late';

interface Pending {
  readonly negotiation: number;
  readonly publish: readonly PublishLine[];
  readonly timer: ReturnType<typeof setTimeout>;
  readonly done: (outcome: Outcome) => void;
}

interface Published {
  readonly transceiver: RTCRtpTransceiver;
  active: boolean;
  /** The server has answered an offer that publishes it: what it says of layers from then on is about this track. */
  agreed: boolean;
}

/** `disconnected` often heals by itself; after this long without healing ICE is restarted. */
const RESTART_AFTER_MS = 2_500;
/** An answer takes one round trip and a handful of milliseconds; a server that is silent for so long lost the offer. */
const ANSWER_WITHIN_MS = 10_000;

export class Peer {
  readonly #connection: RTCPeerConnection;
  readonly #events: PeerEvents;
  readonly #published = new Map<Source, Published>();
  readonly #seats: SeatLines[] = [];
  readonly #reactions: RTCDataChannel;
  #negotiation = 0;
  /** The offer that waits for its answer; whoever takes it away decides its outcome. */
  #pending: Pending | null = null;
  #running = false;
  #wanted = false;
  #closed = false;
  #restartTimer: ReturnType<typeof setTimeout> | null = null;
  #playoutTargetMs: number | null = null;

  constructor(iceServers: readonly IceServer[], events: PeerEvents) {
    this.#events = events;
    this.#connection = new RTCPeerConnection({
      bundlePolicy: 'max-bundle',
      iceServers: iceServers.map((one) => ({
        urls: one.urls,
        ...(one.username ? { username: one.username } : {}),
        ...(one.credential ? { credential: one.credential } : {}),
      })),
    });
    this.#connection.onconnectionstatechange = () => this.#stateChanged();
    this.#reactions = this.#channel('reactions', { negotiated: true, id: 1, ordered: false, maxRetransmits: 0 });
    this.#channel('captions', { negotiated: true, id: 2, ordered: true });
  }

  get connectionState(): RTCPeerConnectionState {
    return this.#connection.connectionState;
  }

  getStats(): Promise<RTCStatsReport> {
    return this.#connection.getStats();
  }

  /** How long received pictures wait before they are shown; null: as the browser likes. Sound follows for the lips' sake. */
  set playoutTargetMs(target: number | null) {
    this.#playoutTargetMs = target;
    for (const { video } of this.#seats) if (video) this.#holdBack(video.receiver);
  }

  #holdBack(receiver: RTCRtpReceiver): void {
    // Not in every browser; assigning starts a change even to the same value.
    if ('jitterBufferTarget' in receiver && receiver.jitterBufferTarget !== this.#playoutTargetMs) {
      receiver.jitterBufferTarget = this.#playoutTargetMs;
    }
  }

  /** Source names by the mid of what we publish, and seats by the mid of what we receive; for the statistics. */
  lines(): { publish: Map<string, Source>; receive: Map<string, number> } {
    const publish = new Map<string, Source>();
    const receive = new Map<string, number>();
    for (const [source, { transceiver }] of this.#published) if (transceiver.mid) publish.set(transceiver.mid, source);
    for (const lines of this.#seats) {
      if (lines.audio.mid) receive.set(lines.audio.mid, lines.seat);
      if (lines.video?.mid) receive.set(lines.video.mid, lines.seat);
    }
    return { publish, receive };
  }

  /** Make sure that there are as many seats as the server asks for; seats are never taken away. */
  provideSeats(need: MediaNeed): void {
    let full = this.#seats.filter((one) => one.video !== null).length;
    let soundOnly = this.#seats.length - full;
    for (; full < need.seats; full++) this.#addSeat(true);
    for (; soundOnly < need.audio_seats; soundOnly++) this.#addSeat(false);
  }

  #addSeat(withVideo: boolean): void {
    const audio = this.#connection.addTransceiver('audio', { direction: 'recvonly' });
    const video = withVideo ? this.#connection.addTransceiver('video', { direction: 'recvonly' }) : null;
    preferForwarded(audio, 'audio');
    if (video) preferForwarded(video, 'video');
    if (video) this.#holdBack(video.receiver);
    const seat = this.#seats.length;
    this.#seats.push({ seat, audio, video });
    this.#events.seatAdded({
      seat,
      audio: new MediaStream([audio.receiver.track]),
      video: video ? new MediaStream([video.receiver.track]) : null,
    });
    this.negotiate();
  }

  /** Send `track` as `source`. The first time adds an m-line; later a track is replaced without a negotiation. */
  async publish(source: Source, track: MediaStreamTrack): Promise<void> {
    const known = this.#published.get(source);
    if (known) {
      await known.transceiver.sender.replaceTrack(track);
      if (!known.active) {
        known.active = true;
        known.transceiver.direction = 'sendonly';
        this.negotiate();
      }
      return;
    }
    const transceiver = this.#connection.addTransceiver(track, {
      direction: 'sendonly',
      sendEncodings: encodingsFor(source, track.getSettings()),
    });
    this.#published.set(source, { transceiver, active: true, agreed: false });
    if (source === 'microphone') preferRedundancy(transceiver);
    if (source === 'screen') await this.#keepSharp(transceiver.sender);
    this.negotiate();
  }

  /** Stop sending pictures or sound of `source` for a while; the m-line stays. */
  async pause(source: Source): Promise<void> {
    await this.#published.get(source)?.transceiver.sender.replaceTrack(null);
  }

  /** Take `source` back: the others see that it is gone. */
  async unpublish(source: Source): Promise<void> {
    const known = this.#published.get(source);
    if (!known?.active) return;
    known.active = false;
    known.agreed = false;
    await known.transceiver.sender.replaceTrack(null);
    known.transceiver.direction = 'inactive';
    this.negotiate();
  }

  /** Send only those layers of a picture that somebody watches. */
  async sendLayers(source: Source, layers: readonly PublishLayer[]): Promise<void> {
    const known = this.#published.get(source);
    if (known?.agreed) await this.#switch(known, (encodings) => activate(encodings, layers));
  }

  publishes(source: Source): boolean {
    return this.#published.get(source)?.active ?? false;
  }

  /** True when the reaction went by the data channel; false: it is not open, use the socket. */
  sendReaction(text: string): boolean {
    if (this.#reactions.readyState !== 'open') return false;
    this.#reactions.send(text);
    return true;
  }

  /** Offer as soon as what is under way is through. */
  negotiate(): void {
    if (this.#closed) return;
    this.#wanted = true;
    if (!this.#running) void this.#run();
  }

  restartIce(): void {
    if (this.#closed) return;
    this.#connection.restartIce();
    this.negotiate();
  }

  async answered(sdp: string, negotiation: number): Promise<void> {
    const pending = this.#take(negotiation);
    if (!pending) return;
    let outcome: Outcome = 'refused';
    try {
      await this.#connection.setRemoteDescription({ type: 'answer', sdp });
      outcome = 'answered';
      this.#agree(pending.publish);
    } finally {
      pending.done(outcome);
    }
  }

  /** The server refused the offer: forget it, the connection stays as it was. */
  refused(negotiation: number): void {
    this.#take(negotiation)?.done('refused');
  }

  /** The socket came back: an offer that is still unanswered was lost with the old one. */
  settled(): void {
    this.#take(this.#pending?.negotiation ?? 0)?.done('again');
  }

  close(): void {
    this.#closed = true;
    if (this.#restartTimer !== null) clearTimeout(this.#restartTimer);
    this.#take(this.#negotiation)?.done('refused');
    this.#connection.close();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      // Everything that is asked for in the same turn (all seats, microphone, camera) goes into one offer.
      await Promise.resolve();
      while (this.#wanted && !this.#closed) {
        this.#wanted = false;
        await this.#offerOnce();
      }
    } finally {
      this.#running = false;
    }
  }

  async #offerOnce(): Promise<void> {
    await this.#connection.setLocalDescription();
    const sdp = this.#connection.localDescription?.sdp;
    if (this.#closed || !sdp) return;
    this.#negotiation += 1;
    const negotiation = this.#negotiation;
    const publish = this.#publishLines();
    const ended = new Promise<Outcome>((resolve) => {
      const timer = setTimeout(() => this.#take(negotiation)?.done('late'), ANSWER_WITHIN_MS);
      this.#pending = { negotiation, publish, timer, done: resolve };
    });
    this.#events.offer({
      type: 'offer',
      ref: `offer-${negotiation}`,
      sdp,
      negotiation,
      publish,
      receive: this.#receiveLines(),
    });
    const outcome = await ended;
    if (outcome === 'answered' || this.#closed) return;
    if (this.#connection.signalingState === 'have-local-offer') {
      await this.#connection.setLocalDescription({ type: 'rollback' });
    }
    if (outcome !== 'refused') this.#wanted = true;
  }

  /** A track that is published, or published again, begins with all its layers. */
  #agree(lines: readonly PublishLine[]): void {
    for (const { source } of lines) {
      const known = this.#published.get(source);
      if (!known?.active || known.agreed) continue;
      known.agreed = true;
      void this.#switch(known, activateAll);
    }
  }

  async #switch({ transceiver }: Published, change: (encodings: RTCRtpEncodingParameters[]) => void): Promise<void> {
    try {
      await changeParameters(transceiver.sender, ({ encodings }) => change(encodings));
    } catch (error) {
      if (!this.#closed) throw error; // a sender that is closed meanwhile has nothing to send
    }
  }

  #take(negotiation: number): Pending | null {
    const pending = this.#pending;
    if (pending?.negotiation !== negotiation) return null;
    clearTimeout(pending.timer);
    this.#pending = null;
    return pending;
  }

  #publishLines(): PublishLine[] {
    const lines: PublishLine[] = [];
    for (const [source, { transceiver, active }] of this.#published) {
      if (active && transceiver.mid) lines.push({ mid: transceiver.mid, source });
    }
    return lines;
  }

  #receiveLines(): ReceiveLine[] {
    const lines: ReceiveLine[] = [];
    for (const { seat, audio, video } of this.#seats) {
      if (audio.mid) lines.push({ seat, audio_mid: audio.mid, video_mid: video?.mid ?? null });
    }
    return lines;
  }

  async #keepSharp(sender: RTCRtpSender): Promise<void> {
    try {
      await changeParameters(sender, (parameters) => Object.assign(parameters, { degradationPreference: 'maintain-resolution' }));
    } catch (error) {
      // Firefox has no degradationPreference; contentHint 'detail' on the track does the same there.
      if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
    }
  }

  #channel(label: 'reactions' | 'captions', options: RTCDataChannelInit): RTCDataChannel {
    const channel = this.#connection.createDataChannel(label, options);
    channel.onmessage = (event: MessageEvent<unknown>) => {
      if (typeof event.data === 'string') this.#events.data(label, event.data);
    };
    return channel;
  }

  #stateChanged(): void {
    const state = this.#connection.connectionState;
    if (this.#restartTimer !== null) clearTimeout(this.#restartTimer);
    this.#restartTimer = null;
    if (state === 'failed') this.restartIce();
    if (state === 'disconnected') this.#restartTimer = setTimeout(() => this.restartIce(), RESTART_AFTER_MS);
    this.#events.connection(state);
  }
}
