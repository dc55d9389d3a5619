/** Which short notices a server message deserves; pure. Owns the choice, refuses to know how they are shown. */

import type { TextKey } from '../i18n/keys';
import type { AnyServerMessage, CaptionsState, RecordingState, Source, VisionState, VisionSwitch } from '../protocol/messages';
import { stopKind } from './recordings';
import { mayModerate, self, type RoomView } from './room';
import { ANALYSES, analyses, consentOf, type Analysis } from './vision';

export interface Notice {
  readonly key: TextKey;
  readonly values?: Record<string, string>;
  /** A key whose text fills {role}. */
  readonly roleKey?: TextKey;
  readonly tone: 'plain' | 'warn';
}

/** In bigger rooms everybody's coming and going would be noise. Two rows of a grid: a judgement, not a measurement. */
const QUIET_FROM = 12;

const BY_HOST: Partial<Record<Source, TextKey>> = {
  microphone: 'toast.mutedByHost',
  camera: 'toast.cameraByHost',
  screen: 'toast.shareByHost',
  screen_audio: 'toast.shareByHost',
};

const LEFT: Record<string, TextKey | null> = {
  left: 'toast.left',
  lost: 'toast.lost',
  kicked: 'toast.kicked',
  ended: null,
};

/** The notice for `message`, judged against the view before it; null when it deserves none. */
export function noticeOf(view: RoomView, message: AnyServerMessage): Notice | null {
  const quiet = view.participants.length >= QUIET_FROM;
  switch (message.type) {
    case 'user-joined':
      return quiet ? null : { key: 'toast.joined', values: { name: message.participant.name }, tone: 'plain' };
    case 'user-left': {
      const key = LEFT[message.reason] ?? null;
      const gone = view.participants.find((one) => one.participant_id === message.participant_id);
      return quiet || !gone || !key ? null : { key, values: { name: gone.name }, tone: 'plain' };
    }
    case 'participant-changed': {
      const before = view.participants.find((one) => one.participant_id === message.participant.participant_id);
      const raised = message.participant.hand_raised_at_ms !== null && before?.hand_raised_at_ms === null;
      if (!raised || message.participant.participant_id === view.selfId) return null;
      return { key: 'toast.hand', values: { name: message.participant.name }, tone: 'plain' };
    }
    case 'room-changed':
      if (message.locked === view.locked) return null;
      return { key: message.locked ? 'toast.locked' : 'toast.unlocked', tone: 'plain' };
    case 'moderation':
      return moderationNotice(message);
    case 'recording':
      return message.state === 'off' ? stopNotice(message.reason) : recordingNotice(view.recording, message);
    case 'captions':
      return captionsNotice(view.captions, message);
    case 'vision':
      return visionNotice(view, message);
    case 'recording-processed':
      return mayModerate(self(view)) ? processedNotice(message.outcome) : null;
    case 'joined':
      if (!message.room.recording && message.room.captions.on) {
        return captionsNotice(view.captions, { ...message.room.captions, by_name: null });
      }
      // The dialog that asks for consent says it already; so did the notice before a reconnect.
      if (!message.room.recording || message.room.recording.consent_required) return null;
      return recordingNotice(view.recording, { ...message.room.recording, by_name: null });
    default:
      return null;
  }
}

function recordingNotice(before: RecordingState | null, now: RecordingState): Notice | null {
  if (before?.recording_id !== now.recording_id) {
    return now.by_name === null
      ? { key: 'toast.recordingAuto', tone: 'plain' }
      : { key: 'toast.recordingOn', values: { name: now.by_name }, tone: 'plain' };
  }
  if (before.state === now.state) return null;
  return { key: now.state === 'paused' ? 'toast.recordingPaused' : 'toast.recordingResumed', tone: 'plain' };
}

/** In a recorded meeting the chip alone tells who comes in of captions: one notice is enough. */
function captionsNotice(before: CaptionsState | null, now: CaptionsState): Notice | null {
  if (!now.on) return before?.on ? { key: 'toast.captionsOff', tone: 'plain' } : null;
  if (!before?.on) {
    return now.by_name === null
      ? { key: 'toast.captionsAuto', tone: 'plain' }
      : { key: 'toast.captionsOn', values: { name: now.by_name }, tone: 'plain' };
  }
  if (before.available !== now.available) {
    return now.available ? { key: 'toast.captionsBack', tone: 'plain' } : { key: 'toast.captionsStopped', tone: 'warn' };
  }
  const shedding = now.reason === 'overloaded';
  return shedding && before.reason !== 'overloaded' ? { key: 'toast.captionsShed', tone: 'warn' } : null;
}

const SWITCHED: Record<Analysis, { on: TextKey; auto: TextKey; off: TextKey }> = {
  emotion: { on: 'toast.visionEmotionOn', auto: 'toast.visionEmotionAuto', off: 'toast.visionEmotionOff' },
  deepfake: { on: 'toast.visionDeepfakeOn', auto: 'toast.visionDeepfakeAuto', off: 'toast.visionDeepfakeOff' },
};

/** Who has not answered yet is told by the dialog that asks; who comes in, by it or by the chip. */
function visionNotice(view: RoomView, now: VisionState): Notice | null {
  const before = view.vision;
  if (before === null) return null;
  for (const analysis of ANALYSES) {
    const [was, is] = [before[analysis], now[analysis]];
    if (was.on && !is.on) return { key: SWITCHED[analysis].off, tone: 'plain' };
    if (was.on || !is.on) continue;
    if (view.selfId !== null && view.visionAnswer === null && consentOf(now, view.selfId) === 'open') return null;
    return is.by_name === null
      ? { key: SWITCHED[analysis].auto, tone: 'plain' }
      : { key: SWITCHED[analysis].on, values: { name: is.by_name }, tone: 'plain' };
  }
  const [stood, stands] = [before, now].map((state) => ANALYSES.some((one) => stopped(state[one])));
  if (!analyses(now) || stood === stands) return null;
  return stands ? { key: 'toast.visionStopped', tone: 'warn' } : { key: 'toast.visionBack', tone: 'plain' };
}

const stopped = (analysis: VisionSwitch): boolean => analysis.on && !analysis.available;

function stopNotice(reason: string | null): Notice | null {
  switch (stopKind(reason)) {
    case 'wanted':
      return { key: 'toast.recordingOff', tone: 'plain' };
    case 'over':
      // The meeting is over too, which is said already.
      return null;
    case 'disk':
      return { key: 'toast.recordingDiskFull', tone: 'warn' };
    case 'server':
      return { key: 'toast.recordingServer', tone: 'warn' };
    case 'other':
      return { key: 'toast.recordingBroke', values: { reason: reason ?? '' }, tone: 'warn' };
  }
}

function processedNotice(outcome: 'ready' | 'failed' | 'cancelled'): Notice | null {
  if (outcome === 'cancelled') return null;
  return outcome === 'ready' ? { key: 'toast.recordingReady', tone: 'plain' } : { key: 'toast.recordingFailed', tone: 'warn' };
}

function moderationNotice(message: Extract<AnyServerMessage, { type: 'moderation' }>): Notice | null {
  switch (message.action) {
    case 'muted': {
      const key = message.source ? BY_HOST[message.source] : undefined;
      return key ? { key, tone: 'warn' } : null;
    }
    case 'hand_lowered':
      return { key: 'toast.handByHost', tone: 'plain' };
    case 'role_changed':
      return message.role ? { key: 'toast.role', roleKey: `people.role.${message.role}`, tone: 'plain' } : null;
    case 'kicked':
      return null;
  }
}
