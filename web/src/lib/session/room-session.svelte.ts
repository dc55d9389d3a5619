/**
 * One stay in a meeting: ties signaling, the peer connection and the user's devices together.
 *
 * Owns the order in which they act on each other; refuses to know the page. The rules are elsewhere: what messages
 * mean in state/room, when to reconnect in signaling/machine, when to offer in rtc/peer.
 */

import { api } from '../api/endpoints';
import type { JoinGrant } from '../api/types';
import { toasts } from '../app/toasts.svelte';
import { t } from '../i18n/index.svelte';
import { MAX_TILES } from '../layout/grid';
import type { Devices } from '../media/devices.svelte';
import type { AnyClientMessage, AnyServerMessage, Joined, Moderation, Reaction, WantedVideo } from '../protocol/messages';
import { Peer, type Seat } from '../rtc/peer';
import { AS_THE_BROWSER_LIKES, nextPlayout } from '../rtc/playout';
import { listOf, summarise, type Sample } from '../rtc/statistics';
import { SessionMachine, type Phase } from '../signaling/machine';
import { Signaling } from '../signaling/socket';
import { noticeOf } from '../state/notices';
import { emptyView, reduce, self, type LocalEvent, type RoomView } from '../state/room';
import { LiveCaptions } from './live-captions.svelte';
import { LiveVision } from './live-vision.svelte';
import { networkInformation } from './network';
import { OwnSources } from './own-sources';
import { ReactionBoard } from './reactions.svelte';
import { RecordingControl } from './recording-control.svelte';
import { showNotice } from './show-notice';

export interface Ending {
  readonly reason: 'left' | 'ended' | 'kicked' | 'replaced' | 'gone' | 'refused';
  readonly code: string;
}

/** The rate of the statistics; the server's own quality message has the same period. */
const SAMPLE_MS = 2_000;
/** Two minutes of sparkline. */
const KEPT_SAMPLES = 60;
/** Tiles settle within the 150 ms of their easing; one subscribe per settling is enough. */
const SUBSCRIBE_AFTER_MS = 120;
/** Answers to `join` that a new grant of the HTTP API may cure. */
const STALE_TOKEN = /token|unauthori/;

export class RoomSession {
  view = $state.raw<RoomView>(emptyView);
  phase = $state.raw<Phase>({ name: 'idle' });
  media = $state<RTCPeerConnectionState>('new');
  seats = $state.raw<readonly Seat[]>([]);
  samples = $state.raw<readonly Sample[]>([]);
  audioBlocked = $state(false);
  ending = $state.raw<Ending | null>(null);
  /** Set between losing a session and being in again. */
  rejoining = $state(false);
  readonly devices: Devices;
  readonly reactions = new ReactionBoard();
  readonly recording = new RecordingControl(this);
  readonly captions = new LiveCaptions(this);
  readonly vision = new LiveVision(this);
  me = $derived(self(this.view));

  readonly #key: string;
  readonly #passcode: string | undefined;
  readonly #own: OwnSources;
  #grant: JoinGrant;
  #signaling: Signaling | null = null;
  #peer: Peer | null = null;
  #wanted: WantedVideo[] | null = null;
  #wantedTimer: ReturnType<typeof setTimeout> | null = null;
  #sampler: ReturnType<typeof setInterval> | null = null;
  #playout = AS_THE_BROWSER_LIKES;
  #grantRenewed = false;
  #everJoined = false;
  #refs = 0;

  constructor(key: string, grant: JoinGrant, devices: Devices, passcode: string | undefined) {
    this.#key = key;
    this.#grant = grant;
    this.#passcode = passcode;
    this.devices = devices;
    this.#own = new OwnSources(devices, (message) => this.send(message));
  }

  /** What let us in; its token is the right to enter this meeting under this name. */
  get grant(): JoinGrant {
    return this.#grant;
  }

  start(): void {
    this.devices.onLost = (kind) => void this.#deviceLost(kind);
    this.devices.onScreenEnded = () => void this.stopShare();
    window.addEventListener('pagehide', this.#pageHidden);
    networkInformation()?.addEventListener('change', this.#networkChanged);
    this.#sampler = setInterval(() => void this.#sample(), SAMPLE_MS);
    void this.devices.starting.then(() => this.#own.publishMissing());
    this.#connect();
  }

  leave(): void {
    this.#signaling?.leave();
  }

  endForAll(): void {
    this.send({ type: 'end_meeting' });
  }

  retryNow(): void {
    this.#signaling?.retryNow();
  }

  /** A moderation verb or anything else without an answer that matters here. */
  send(message: AnyClientMessage): void {
    this.#signaling?.send({ ref: this.#ref('act'), ...message });
  }

  sendChat(text: string): void {
    const ref = this.#ref('chat');
    this.apply({ type: 'local-chat-sent', ref, text });
    this.#signaling?.send({ type: 'chat', text, ref });
  }

  resendChat(ref: string): void {
    const line = this.view.pending.find((one) => one.ref === ref);
    if (!line) return;
    this.apply({ type: 'local-chat-dropped', ref });
    this.sendChat(line.text);
  }

  react(reaction: Reaction['reaction']): void {
    if (this.view.selfId) this.reactions.show(this.view.selfId, reaction);
    if (!this.#peer?.sendReaction(JSON.stringify({ reaction }))) this.send({ type: 'reaction', reaction });
  }

  setHand(raised: boolean): void {
    this.send({ type: 'raise_hand', raised });
  }

  async toggleMicrophone(): Promise<void> {
    const on = !this.devices.microphoneOn;
    if (!this.devices.setMicrophoneOn(on)) {
      const problem = await this.devices.startMicrophone();
      if (problem) return this.#deviceProblem(problem);
    }
    await this.#own.syncMicrophone();
  }

  async toggleCamera(): Promise<void> {
    if (this.devices.cameraOn || this.devices.cameraStarting) {
      this.devices.stopCamera();
    } else {
      const problem = await this.devices.startCamera();
      if (problem) return this.#deviceProblem(problem);
    }
    await this.#own.syncCamera();
  }

  async chooseCamera(id: string): Promise<void> {
    this.devices.choose('camera', id);
    if (!this.devices.cameraOn) return;
    const problem = await this.devices.startCamera();
    if (problem) this.#deviceProblem(problem);
    await this.#own.syncCamera();
  }

  async chooseMicrophone(id: string): Promise<void> {
    const on = this.devices.microphoneOn;
    this.devices.choose('microphone', id);
    if (!this.devices.microphone) return;
    const problem = await this.devices.startMicrophone();
    if (problem) return this.#deviceProblem(problem);
    this.devices.setMicrophoneOn(on);
    await this.#own.syncMicrophone();
  }

  async toggleShare(): Promise<void> {
    if (this.devices.screen) return this.stopShare();
    try {
      await this.devices.startScreen();
    } catch (error) {
      // The user closed the browser's own picker: nothing happened, nothing to say.
      if (error instanceof DOMException && error.name === 'NotAllowedError') return;
      toasts.show(t('toast.shareFailed'), 'warn');
      return;
    }
    await this.#own.publishScreen();
  }

  async stopShare(): Promise<void> {
    this.devices.stopScreen();
    await this.#own.unpublishScreen();
  }

  /** The stage says what it shows; sent when it has settled and only if it is another list than before. */
  show(videos: WantedVideo[]): void {
    if (JSON.stringify(videos) === JSON.stringify(this.#wanted)) return;
    this.#wanted = videos;
    this.#wantedTimer ??= setTimeout(() => {
      this.#wantedTimer = null;
      this.#subscribe();
    }, SUBSCRIBE_AFTER_MS);
  }

  loadEarlierChat(): void {
    const first = this.view.chat[0]?.chat_seq ?? 1;
    const limit = 100;
    this.send({ type: 'history', after_seq: Math.max(0, first - 1 - limit), limit });
  }

  apply(event: AnyServerMessage | LocalEvent): void {
    this.view = reduce(this.view, event);
  }

  /** A fresh measurement; for window.__parley. */
  async measure(): Promise<Sample | null> {
    await this.#sample();
    return this.samples.at(-1) ?? null;
  }

  breakSocket(): void {
    this.#signaling?.breakSocket();
  }

  restartIce(): void {
    this.#peer?.restartIce();
  }

  #connect(): void {
    const url = new URL(this.#grant.signaling_path, location.href.replace(/^http/, 'ws'));
    const machine = new SessionMachine(this.#grant.meeting.id, () => this.#grant.token, MAX_TILES);
    this.#signaling = new Signaling(url.href, machine, {
      message: (message) => this.#received(message),
      phase: (phase) => this.#phaseChanged(phase),
      settled: () => this.#peer?.settled(),
    });
    this.#signaling.start();
  }

  #received(message: AnyServerMessage): void {
    const notice = noticeOf(this.view, message);
    this.apply(message);
    this.captions.received(message);
    this.vision.received(message);
    if (notice) showNotice(notice);
    if (message.type === 'recording') this.recording.told(message);
    const entered = message.type === 'joined' || message.type === 'resumed' ? [this.recording, this.vision] : [];
    for (const one of entered) one.entered();
    switch (message.type) {
      case 'joined':
        void this.#joined(message);
        break;
      case 'resumed':
        if (!message.media_connected) this.#peer?.restartIce();
        this.#subscribe();
        break;
      case 'answer':
        void this.#peer?.answered(message.sdp, message.negotiation);
        break;
      case 'need_media':
        this.#peer?.provideSeats(message.need);
        break;
      case 'publish_layers':
        void this.#peer?.sendLayers(message.source, message.layers);
        break;
      case 'reaction':
        if (message.participant_id !== this.view.selfId) this.reactions.show(message.participant_id, message.reaction);
        break;
      case 'moderation':
        void this.#moderated(message);
        break;
      case 'error':
        this.#failed(message);
        break;
    }
  }

  async #joined(message: Joined): Promise<void> {
    this.#peer?.close();
    this.seats = [];
    this.media = 'new';
    if (this.#everJoined) toasts.show(t('toast.reconnected'), 'good');
    this.#everJoined = true;
    this.#grantRenewed = false;
    const peer = new Peer(message.ice_servers, {
      offer: (offer) => this.#signaling?.send(offer),
      seatAdded: (seat) => (this.seats = [...this.seats, seat]),
      connection: (state) => {
        if (peer === this.#peer) this.media = state;
      },
      data: (label, text) => this.#data(label, text),
    });
    this.#peer = peer;
    // Without a first list the server chooses; with one, seats carry what the stage shows from the start.
    this.#subscribe();
    peer.provideSeats(message.need_media);
    await this.#own.use(peer);
    if (message.need_media.seats === 0) peer.negotiate();
  }

  async #moderated(message: Moderation): Promise<void> {
    if (message.action !== 'muted' || !message.source) return;
    if (message.source === 'microphone') this.devices.setMicrophoneOn(false);
    else if (message.source === 'camera') {
      this.devices.stopCamera();
      await this.#own.syncCamera();
    } else await this.stopShare();
  }

  #failed(message: Extract<AnyServerMessage, { type: 'error' }>): void {
    if (this.recording.refused(message) || this.vision.refused(message)) return;
    const offer = /^offer-(\d+)$/.exec(message.ref ?? '');
    if (offer) this.#peer?.refused(Number(offer[1]));
    if (message.ref?.startsWith('chat-')) this.apply({ type: 'local-chat-failed', ref: message.ref });
    toasts.show(t('toast.actionFailed', { message: message.message }), 'warn');
  }

  #data(label: string, text: string): void {
    if (label !== 'reactions') return;
    const value = JSON.parse(text) as { participant_id?: string; reaction?: string };
    if (!value.participant_id || !value.reaction || value.participant_id === this.view.selfId) return;
    this.reactions.show(value.participant_id, value.reaction);
  }

  #phaseChanged(phase: Phase): void {
    this.phase = phase;
    if (phase.name === 'joined') this.rejoining = false;
    if (phase.name === 'waiting') this.rejoining = !phase.resuming;
    if (phase.name !== 'closed') return;
    if (phase.reason === 'refused' && STALE_TOKEN.test(phase.code) && !this.#grantRenewed) {
      this.#grantRenewed = true;
      void this.#renewGrant();
      return;
    }
    this.#end({ reason: phase.reason, code: phase.code });
  }

  /** The token is over (12 h) or the server has new secrets: ask for another one and come in again. */
  async #renewGrant(): Promise<void> {
    try {
      this.#grant = await api.joinMeeting(this.#key, this.#grant.name, this.#passcode, null);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      this.#end({ reason: code === 'network' ? 'gone' : 'refused', code });
      return;
    }
    this.#connect();
  }

  #end(ending: Ending): void {
    if (this.#sampler !== null) clearInterval(this.#sampler);
    if (this.#wantedTimer !== null) clearTimeout(this.#wantedTimer);
    window.removeEventListener('pagehide', this.#pageHidden);
    networkInformation()?.removeEventListener('change', this.#networkChanged);
    this.captions.close();
    this.#peer?.close();
    this.#peer = null;
    void this.#own.use(null);
    this.devices.stopAll();
    this.ending = ending;
  }

  #pageHidden = (event: PageTransitionEvent): void => {
    if (!event.persisted) this.#signaling?.leave();
  };

  #networkChanged = (): void => {
    this.#signaling?.retryNow();
    this.#peer?.restartIce();
  };

  async #deviceLost(kind: 'camera' | 'microphone'): Promise<void> {
    toasts.show(t('toast.deviceLost'), 'warn');
    this.devices.choose(kind, '');
    const problem = kind === 'camera' ? await this.devices.startCamera() : await this.devices.startMicrophone();
    if (problem && kind === 'camera') this.devices.stopCamera();
    if (problem && kind === 'microphone') this.devices.setMicrophoneOn(false);
    await (kind === 'camera' ? this.#own.syncCamera() : this.#own.syncMicrophone());
  }

  #deviceProblem(problem: 'denied' | 'missing' | 'busy' | 'insecure'): void {
    toasts.show(t(`device.${problem}Title`), 'warn');
  }

  #subscribe(): void {
    if (this.#wanted) this.#signaling?.send({ type: 'subscribe', videos: this.#wanted });
  }

  async #sample(): Promise<void> {
    const peer = this.#peer;
    if (!peer) return;
    const report = await peer.getStats();
    if (peer !== this.#peer) return;
    const sample = summarise(listOf(report), peer.lines(), this.samples.at(-1) ?? null);
    this.samples = [...this.samples, sample].slice(-KEPT_SAMPLES);
    peer.playoutTargetMs = (this.#playout = nextPlayout(this.#playout, sample)).targetMs;
  }

  #ref(kind: 'chat' | 'act'): string {
    this.#refs += 1;
    return `${kind}-${this.#refs}-${Math.random().toString(36).slice(2, 8)}`;
  }
}
