/**
 * What this client knows of the room, as a pure reducer over the server's messages.
 *
 * Owns the view and every transition of it; refuses to know sockets, media and the page. Values are never changed in
 * place: every step answers a new view that shares what did not change.
 */

import type {
  AnyServerMessage,
  CaptionsState,
  ChatMessage,
  MediaNeed,
  Participant,
  RecordingProgress,
  RecordingState,
  RoomState,
  SeatBinding,
  Source,
  Track,
  VideoSource,
  VisionState,
} from '../protocol/messages';

/** A chat line of ours that the server has not stored yet. */
export interface PendingLine {
  readonly ref: string;
  readonly text: string;
  readonly failed: boolean;
}

export interface RoomView {
  readonly selfId: string | null;
  readonly meetingId: string;
  readonly code: string;
  readonly title: string;
  readonly startedAtMs: number;
  readonly locked: boolean;
  readonly maxParticipants: number;
  /** Everybody including oneself, in the order of joining. */
  readonly participants: readonly Participant[];
  readonly seats: readonly SeatBinding[];
  readonly need: MediaNeed;
  readonly chat: readonly ChatMessage[];
  /** True while the server may hold lines older than the first of `chat`. */
  readonly earlierChat: boolean;
  readonly pending: readonly PendingLine[];
  readonly unread: number;
  readonly levels: Readonly<Record<string, number>>;
  readonly dominant: string | null;
  readonly scores: Readonly<Record<string, number>>;
  /** Null while nothing is recorded; its state is then `on` or `paused`. */
  readonly recording: RecordingState | null;
  /** How live captions stand; null before one is in. What is said is in state/captions. */
  readonly captions: CaptionsState | null;
  /** Which analyses of pictures are on, and who agreed to them; null before one is in. */
  readonly vision: VisionState | null;
  /** What the user answered when asked for it, until the server says the same. */
  readonly visionAnswer: boolean | null;
  /** How far the film of an earlier recording of this meeting is; null while none is made. */
  readonly processing: RecordingProgress | null;
  /** The recording that the user agreed to be in. */
  readonly consentedTo: string | null;
}

/** What the page itself does to the view. */
export type LocalEvent =
  | { type: 'local-chat-sent'; ref: string; text: string }
  | { type: 'local-chat-failed'; ref: string }
  | { type: 'local-chat-dropped'; ref: string }
  | { type: 'local-chat-seen' }
  | { type: 'local-consented'; recordingId: string }
  | { type: 'local-vision-answered'; accepted: boolean };

export const emptyView: RoomView = {
  selfId: null,
  meetingId: '',
  code: '',
  title: '',
  startedAtMs: 0,
  locked: false,
  maxParticipants: 0,
  participants: [],
  seats: [],
  need: { seats: 0, audio_seats: 0 },
  chat: [],
  earlierChat: false,
  pending: [],
  unread: 0,
  levels: {},
  dominant: null,
  scores: {},
  recording: null,
  captions: null,
  vision: null,
  visionAnswer: null,
  processing: null,
  consentedTo: null,
};

/** The view after `event`; messages that change nothing that is kept here answer the same view. */
export function reduce(view: RoomView, event: AnyServerMessage | LocalEvent): RoomView {
  switch (event.type) {
    case 'joined':
      return {
        ...view,
        ...roomFields(event.room),
        selfId: event.participant_id,
        seats: [],
        need: event.need_media,
        chat: mergeChat(view.meetingId === event.room.meeting_id ? view.chat : [], event.chat),
        earlierChat: (event.chat[0]?.chat_seq ?? 1) > 1,
        levels: {},
        dominant: null,
        scores: {},
        processing: null,
        vision: visionOf(event.vision),
        visionAnswer: null,
      };
    case 'user-joined':
      return { ...view, participants: withParticipant(view.participants, event.participant) };
    case 'participant-changed':
      return { ...view, participants: withParticipant(view.participants, event.participant) };
    case 'user-left':
      return {
        ...view,
        participants: view.participants.filter((one) => one.participant_id !== event.participant_id),
        levels: without(view.levels, event.participant_id),
        scores: without(view.scores, event.participant_id),
        dominant: view.dominant === event.participant_id ? null : view.dominant,
      };
    case 'tracks':
      return {
        ...view,
        participants: view.participants.map((one) =>
          one.participant_id === event.participant_id ? { ...one, tracks: event.tracks } : one,
        ),
      };
    case 'need_media':
      return { ...view, need: event.need };
    case 'seats':
      return { ...view, seats: event.seats };
    case 'active-speakers':
      return {
        ...view,
        levels: Object.fromEntries(event.speakers.map((one) => [one.participant_id, one.level])),
        dominant: event.dominant,
      };
    case 'quality':
      return {
        ...view,
        scores: {
          ...view.scores,
          ...Object.fromEntries(event.participants.map((one) => [one.participant_id, one.score])),
        },
      };
    case 'chat':
      return {
        ...view,
        chat: mergeChat(view.chat, [event.message]),
        pending: event.ref ? view.pending.filter((line) => line.ref !== event.ref) : view.pending,
        unread: event.message.participant_id === view.selfId ? view.unread : view.unread + 1,
      };
    case 'history': {
      const before = view.chat[0]?.chat_seq ?? Infinity;
      const reachesStart = event.messages.some((line) => line.chat_seq === 1);
      const older = event.messages.some((line) => line.chat_seq < before);
      return {
        ...view,
        chat: mergeChat(view.chat, event.messages),
        earlierChat: view.earlierChat && !reachesStart && older,
      };
    }
    case 'room-changed':
      return { ...view, title: event.title, locked: event.locked };
    case 'recording':
      return { ...view, recording: recordingOf(event) };
    case 'captions':
      return { ...view, captions: captionsOf(event) };
    case 'vision': {
      const vision = visionOf(event);
      return { ...view, vision, visionAnswer: isTold(vision, view) ? null : view.visionAnswer };
    }
    case 'recording-progress':
      return { ...view, processing: event };
    case 'recording-processed':
      return view.processing?.recording_id === event.recording_id ? { ...view, processing: null } : view;
    case 'resumed':
      // Its end may have been missed; while it goes on, it is told within a second or two.
      return view.processing === null ? view : { ...view, processing: null };
    case 'local-consented':
      return { ...view, consentedTo: event.recordingId };
    case 'local-vision-answered':
      return { ...view, visionAnswer: event.accepted };
    case 'local-chat-sent':
      return {
        ...view,
        pending: [
          ...view.pending.filter((line) => line.ref !== event.ref),
          { ref: event.ref, text: event.text, failed: false },
        ],
      };
    case 'local-chat-failed':
      return {
        ...view,
        pending: view.pending.map((line) => (line.ref === event.ref ? { ...line, failed: true } : line)),
      };
    case 'local-chat-dropped':
      return { ...view, pending: view.pending.filter((line) => line.ref !== event.ref) };
    case 'local-chat-seen':
      return view.unread === 0 ? view : { ...view, unread: 0 };
    default:
      return view;
  }
}

function roomFields(room: RoomState): Partial<RoomView> {
  return {
    meetingId: room.meeting_id,
    code: room.code,
    title: room.title,
    startedAtMs: room.started_at_ms,
    locked: room.locked,
    maxParticipants: room.max_participants,
    participants: room.participants,
    recording: room.recording ? recordingOf(room.recording) : null,
    captions: captionsOf(room.captions),
  };
}

/** The state alone, without what makes a frame of it. */
function recordingOf(told: RecordingState): RecordingState | null {
  const { state, recording_id, since_ms, by_name, reason, consent_required } = told;
  return state === 'off' ? null : { state, recording_id, since_ms, by_name, reason, consent_required };
}

function captionsOf(told: CaptionsState): CaptionsState {
  const { on, available, reason, language, languages, transcript, report_at, voices, since_ms, by_name } = told;
  return { on, available, reason, language, languages, transcript, report_at, voices, since_ms, by_name };
}

function visionOf(told: VisionState): VisionState {
  const { emotion, deepfake, consented, declined } = told;
  return { emotion, deepfake, consented, declined };
}

/** Whether the server says what the user answered. */
function isTold(vision: VisionState, view: RoomView): boolean {
  return view.selfId !== null && (view.visionAnswer ? vision.consented : vision.declined).includes(view.selfId);
}

function withParticipant(list: readonly Participant[], changed: Participant): readonly Participant[] {
  const known = list.some((one) => one.participant_id === changed.participant_id);
  if (!known) return [...list, changed];
  return list.map((one) => (one.participant_id === changed.participant_id ? changed : one));
}

function without<T>(map: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> {
  if (!(key in map)) return map;
  return Object.fromEntries(Object.entries(map).filter(([name]) => name !== key));
}

/** Both lists by chat_seq, each line once. */
export function mergeChat(held: readonly ChatMessage[], more: readonly ChatMessage[]): readonly ChatMessage[] {
  const bySeq = new Map(held.map((line) => [line.chat_seq, line]));
  for (const line of more) bySeq.set(line.chat_seq, line);
  return [...bySeq.values()].sort((a, b) => a.chat_seq - b.chat_seq);
}

/** The participant that this client is. */
export function self(view: RoomView): Participant | null {
  return view.participants.find((one) => one.participant_id === view.selfId) ?? null;
}

export function others(view: RoomView): readonly Participant[] {
  return view.participants.filter((one) => one.participant_id !== view.selfId);
}

export function trackOf(participant: Participant, source: Source): Track | null {
  return participant.tracks.find((track) => track.source === source) ?? null;
}

/** True when the participant sends this source and has not muted it. */
export function sends(participant: Participant, source: Source): boolean {
  const track = trackOf(participant, source);
  return track !== null && !track.muted;
}

/** The seat that shows this picture now, or null. */
export function seatFor(view: RoomView, participantId: string, source: VideoSource): SeatBinding | null {
  return view.seats.find((seat) => seat.participant_id === participantId && seat.source === source) ?? null;
}

/** Hosts and co-hosts may moderate; only hosts change roles and end the meeting. */
export function mayModerate(participant: Participant | null): boolean {
  return participant?.role === 'host' || participant?.role === 'cohost';
}

/** True for who can do something with captions: they are on, or this person may switch them on or wants to know why not. */
export function offersCaptions(view: RoomView): boolean {
  return view.captions !== null && (view.captions.on || view.captions.available || mayModerate(self(view)));
}

/** True while the user has not agreed to a recording that asks for it: nothing of theirs is in it. */
export function asksConsent(view: RoomView): boolean {
  return view.recording !== null && view.recording.consent_required && view.consentedTo !== view.recording.recording_id;
}

/** Raised hands, the longest waiting first. */
export function raisedHands(view: RoomView): readonly Participant[] {
  return view.participants
    .filter((one) => one.hand_raised_at_ms !== null)
    .sort((a, b) => (a.hand_raised_at_ms ?? 0) - (b.hand_raised_at_ms ?? 0));
}
