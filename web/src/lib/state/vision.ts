/**
 * What is known of the analysis of pictures: who is asked, what faces seem to express, what alerts there are; pure.
 *
 * Owns the board of expressions and alerts and every transition of it; refuses to know sockets, HTTP and the page.
 * Whether the analysis is on, and who agreed, is in the room's view.
 */

import type { AiInfo, KeptAlert } from '../api/types';
import type { TextKey } from '../i18n/keys';
import type { AnyServerMessage, Emotion, Participant, VisionAlert, VisionState, VisionSwitch } from '../protocol/messages';
import { mayModerate, self, sends, type RoomView } from './room';

export type EmotionLabel = NonNullable<Emotion['label']>;
export type AlertKind = VisionAlert['kind'];
export type Analysis = 'emotion' | 'deepfake';

/** In the order of the server's model. */
export const EMOTIONS: readonly EmotionLabel[] = ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'];
export const ANALYSES: readonly Analysis[] = ['emotion', 'deepfake'];

/** An alert as the page shows it, whether it came on the socket or was read over HTTP. */
export interface Alert {
  readonly id: string;
  readonly participantId: string;
  readonly name: string;
  readonly kind: AlertKind;
  /** 0 to 1. */
  readonly score: number;
  readonly model: string;
  readonly atMs: number;
  readonly hasEvidence: boolean;
}

export interface VisionBoard {
  /** What the face of a participant seems to express; null: no face is seen. */
  readonly emotions: Readonly<Record<string, EmotionLabel | null>>;
  /** The newest first. */
  readonly alerts: readonly Alert[];
  /** Of this meeting; one that was dismissed does not come back with a list that was asked for before. */
  readonly dismissed: ReadonlySet<string>;
}

/** What the page itself does to the board. */
export type BoardEvent =
  | { type: 'local-alerts'; alerts: readonly KeptAlert[] }
  | { type: 'local-alert-dismissed'; id: string };

export const emptyVisionBoard: VisionBoard = { emotions: {}, alerts: [], dismissed: new Set() };

/** The board after `event`; what says nothing of it answers the same board. */
export function reduceVision(board: VisionBoard, event: AnyServerMessage | BoardEvent): VisionBoard {
  switch (event.type) {
    case 'joined':
      // A new session hears every expression anew, and alerts stay.
      return { ...board, emotions: {} };
    case 'emotion':
      return { ...board, emotions: { ...board.emotions, [event.participant_id]: event.label } };
    case 'vision': {
      const agreed = new Set(event.emotion.on ? event.consented : []);
      return withEmotions(board, (id) => agreed.has(id));
    }
    case 'user-left':
      return withEmotions(board, (id) => id !== event.participant_id);
    case 'tracks': {
      const seen = event.tracks.some((track) => track.source === 'camera' && !track.muted);
      return seen ? board : withEmotions(board, (id) => id !== event.participant_id);
    }
    case 'participant-changed':
      return sends(event.participant, 'camera') ? board : withEmotions(board, (id) => id !== event.participant.participant_id);
    case 'vision_alert':
      return withAlerts(board, [alertOfMessage(event)]);
    case 'local-alerts':
      return withAlerts(board, event.alerts.map(alertOf));
    case 'local-alert-dismissed':
      return {
        ...board,
        alerts: board.alerts.filter((one) => one.id !== event.id),
        dismissed: new Set([...board.dismissed, event.id]),
      };
    default:
      return board;
  }
}

function withEmotions(board: VisionBoard, keep: (id: string) => boolean): VisionBoard {
  const kept = Object.entries(board.emotions).filter(([id]) => keep(id));
  return kept.length === Object.keys(board.emotions).length ? board : { ...board, emotions: Object.fromEntries(kept) };
}

function withAlerts(board: VisionBoard, more: readonly Alert[]): VisionBoard {
  const byId = new Map(board.alerts.map((one) => [one.id, one]));
  for (const one of more) if (!board.dismissed.has(one.id)) byId.set(one.id, one);
  return { ...board, alerts: [...byId.values()].sort((a, b) => b.atMs - a.atMs) };
}

function alertOfMessage(told: VisionAlert): Alert {
  const { alert_id, participant_id, name, kind, score, model, at_ms, has_evidence } = told;
  return { id: alert_id, participantId: participant_id, name, kind, score, model, atMs: at_ms, hasEvidence: has_evidence };
}

export function alertOf(kept: KeptAlert): Alert {
  const { id, participant_id, name, kind, score, model, at, has_evidence } = kept;
  return { id, participantId: participant_id, name, kind, score, model, atMs: Date.parse(at), hasEvidence: has_evidence };
}

/** Whether anything is analysed in this meeting. */
export function analyses(state: VisionState | null): boolean {
  return state !== null && (state.emotion.on || state.deepfake.on);
}

export type Consent = 'agreed' | 'declined' | 'open';

export function consentOf(state: VisionState, participantId: string): Consent {
  if (state.consented.includes(participantId)) return 'agreed';
  return state.declined.includes(participantId) ? 'declined' : 'open';
}

/** True while something is analysed and this user has not said whether their picture may be. */
export function asksVision(view: RoomView): boolean {
  if (view.vision === null || view.selfId === null || !analyses(view.vision)) return false;
  return view.visionAnswer === null && consentOf(view.vision, view.selfId) === 'open';
}

/** What this user has answered, the answer that is on its way included. */
export function ownConsent(view: RoomView): Consent {
  if (view.visionAnswer !== null) return view.visionAnswer ? 'agreed' : 'declined';
  return view.vision === null || view.selfId === null ? 'open' : consentOf(view.vision, view.selfId);
}

/** True for who can do something with it: it is on, this person has answered, may switch it on or wants to know why not. */
export function offersVision(view: RoomView): boolean {
  return view.vision !== null && (analyses(view.vision) || ownConsent(view) !== 'open' || mayModerate(self(view)));
}

/** What stands at somebody about their expression, or null for nothing. */
export type Mark =
  | { readonly kind: 'emotion'; readonly label: EmotionLabel }
  | { readonly kind: 'no-face' }
  | { readonly kind: 'declined' }
  | { readonly kind: 'waiting' };

/** The mark at a participant. Hosts see everybody's, everybody their own. */
export function markOf(view: RoomView, board: VisionBoard, participant: Participant): Mark | null {
  const { vision, selfId } = view;
  const own = participant.participant_id === selfId;
  if (vision === null || !analyses(vision) || (!own && !mayModerate(self(view)))) return null;
  const consent = own ? ownConsent(view) : consentOf(vision, participant.participant_id);
  if (consent === 'declined') return { kind: 'declined' };
  if (consent === 'open') return { kind: 'waiting' };
  if (!vision.emotion.on || !sends(participant, 'camera')) return null;
  const label = board.emotions[participant.participant_id];
  if (label === undefined) return null;
  return label === null ? { kind: 'no-face' } : { kind: 'emotion', label };
}

/** The words of a mark. */
export function markText(mark: Mark): TextKey {
  switch (mark.kind) {
    case 'emotion':
      return `emotion.${mark.label}`;
    case 'no-face':
      return 'emotion.none';
    case 'declined':
      return 'emotion.declined';
    case 'waiting':
      return 'emotion.waiting';
  }
}

/** Why an analysis does not go as it should, or null. */
export function visionTrouble(analysis: Pick<VisionSwitch, 'available' | 'reason'>): TextKey | null {
  if (analysis.reason !== null) return `vision.why.${analysis.reason}`;
  return analysis.available ? null : 'vision.why.other';
}

/** A host may switch it off always, and on where it can be done or is coming back. */
export function maySwitch(analysis: VisionSwitch): boolean {
  return analysis.on || analysis.available || analysis.reason === 'worker_down';
}

/** A score from 0 to 1 with two digits, not as percents: it is no probability. */
export function scoreText(score: number, language: string): string {
  return new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(score);
}

/** What a meeting with an analysis needs of the server's models: faces are found first, and one check is enough. */
const NEEDS: Record<Analysis, (has: (task: string) => boolean) => boolean> = {
  emotion: (has) => has('faces') && has('emotion'),
  deepfake: (has) => (has('faces') && has('spoof')) || has('synthesis'),
};

/** Why a meeting that is planned could not have an analysis, as the server is now; null: it could. */
export function plannable(info: AiInfo, analysis: Analysis): TextKey | null {
  if (!info.enabled) return 'vision.why.ai_disabled';
  const has = (task: string): boolean => info.tasks.some((one) => one.task === task && one.available);
  return NEEDS[analysis](has) ? null : 'vision.why.model_not_installed';
}
