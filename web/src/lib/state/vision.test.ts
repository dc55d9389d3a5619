import { describe, expect, it } from 'vitest';
import type { KeptAlert } from '../api/types';
import type { AnyServerMessage, Participant, VisionAlert, VisionState, VisionSwitch } from '../protocol/messages';
import { noticeOf } from './notices';
import { emptyView, reduce, type LocalEvent, type RoomView } from './room';
import {
  asksVision, emptyVisionBoard, markOf, markText, maySwitch, offersVision, ownConsent, plannable, reduceVision, scoreText, visionTrouble,
  type BoardEvent, type VisionBoard,
} from './vision';

const still: VisionSwitch = { on: false, available: true, reason: null, since_ms: null, by_name: null };
const lit: VisionSwitch = { ...still, on: true, since_ms: 1_000, by_name: 'Ana' };
const state = (change: Partial<VisionState> = {}): VisionState => ({ emotion: lit, deepfake: still, consented: [], declined: [], ...change });
const told = (change: Partial<VisionState> = {}): AnyServerMessage => ({ type: 'vision', ...state(change) });
const camera = (muted = false): Participant['tracks'] => [{ track_id: 't', source: 'camera', kind: 'video', muted }];
const person = (id: string, role: Participant['role'] = 'participant'): Participant => ({
  participant_id: id, user_id: null, name: id, avatar_url: null, role, joined_at_ms: 0, hand_raised_at_ms: null, reconnecting: false, tracks: camera(),
});
const captions = { on: false, available: true, reason: null, language: 'auto', languages: [], transcript: true, report_at: null, voices: false, since_ms: null, by_name: null };
const joined = (vision: VisionState, selfId = 'guest'): AnyServerMessage => ({
  type: 'joined', session_id: 's', resume_token: 'r', resume_within_s: 30, heartbeat_s: 5, participant_id: selfId,
  room: {
    meeting_id: 'm', code: 'c', title: '', started_at_ms: 5, locked: false, max_participants: 10,
    participants: [person('host', 'host'), person('guest'), person('other')], recording: null, captions,
  },
  need_media: { seats: 4, audio_seats: 0 }, ice_servers: [], chat: [], captions: [], vision, ref: null,
});
const run = (...events: (AnyServerMessage | LocalEvent)[]): RoomView => events.reduce(reduce, emptyView);
const board = (...events: (AnyServerMessage | BoardEvent)[]): VisionBoard => events.reduce(reduceVision, emptyVisionBoard);
const looks = (id: string, label: 'happy' | 'sad' | null): AnyServerMessage => ({ type: 'emotion', participant_id: id, label, score: 0.9, at_ms: 1 });
const alert = (id: string, atMs: number): VisionAlert => ({
  type: 'vision_alert', alert_id: id, participant_id: 'guest', name: 'Guest', kind: 'face_spoof', score: 0.91, model: 'face-spoof', at_ms: atMs, has_evidence: true,
});
const kept = (id: string, atMs: number): KeptAlert => ({
  id, participant_id: 'guest', name: 'Guest', kind: 'generated_picture', score: 0.8, model: 'clip', at: new Date(atMs).toISOString(), has_evidence: false,
});
const off = state({ emotion: still });

describe('who is asked whether their picture may be analysed', () => {
  it('is everybody who has not answered, while something is analysed', () => {
    expect(asksVision(run(joined(state())))).toBe(true);
    expect(asksVision(run(joined(off)))).toBe(false);
    expect(asksVision(run(joined(off), told({ emotion: still, deepfake: lit })))).toBe(true);
    expect(asksVision(run(joined(state({ consented: ['guest'] }))))).toBe(false);
    expect(asksVision(run(joined(state({ declined: ['guest'] }))))).toBe(false);
    expect(asksVision(run(joined(state({ consented: ['host', 'other'] }))))).toBe(true);
  });

  it('is nobody who has just answered, and the server has the last word', () => {
    const answered = run(joined(state()), { type: 'local-vision-answered', accepted: true });
    expect([asksVision(answered), ownConsent(answered)]).toEqual([false, 'agreed']);
    // Told of somebody else meanwhile, one's own answer still counts.
    const meanwhile = reduce(answered, told({ declined: ['other'] }));
    expect([asksVision(meanwhile), ownConsent(meanwhile)]).toEqual([false, 'agreed']);
    const confirmed = reduce(meanwhile, told({ consented: ['guest'], declined: ['other'] }));
    expect([confirmed.visionAnswer, ownConsent(confirmed)]).toEqual([null, 'agreed']);
    const changed = reduce(confirmed, { type: 'local-vision-answered', accepted: false });
    expect(ownConsent(changed)).toBe('declined');
    expect(ownConsent(reduce(changed, told({ declined: ['guest'] })))).toBe('declined');
    expect(ownConsent(run(joined(state({ consented: ['guest'] })), joined(state())))).toBe('open');
  });

  it('is nobody before one is in', () => {
    expect([asksVision(emptyView), ownConsent(emptyView), offersVision(emptyView)]).toEqual([false, 'open', false]);
  });
});

describe('the way to it', () => {
  it('is there for hosts, and for everybody while something is analysed', () => {
    expect(offersVision(run(joined(off, 'host')))).toBe(true);
    expect(offersVision(run(joined(off)))).toBe(false);
    expect(offersVision(run(joined({ ...off, consented: ['guest'] })))).toBe(true);
    expect(offersVision(run(joined(state())))).toBe(true);
  });

  it('says why not, and switches off always', () => {
    const missing: VisionSwitch = { ...still, available: false, reason: 'model_not_installed' };
    expect([visionTrouble(still), visionTrouble(missing), visionTrouble({ ...still, available: false })]).toEqual([
      null, 'vision.why.model_not_installed', 'vision.why.other',
    ]);
    expect([maySwitch(still), maySwitch(missing), maySwitch({ ...missing, on: true }), maySwitch({ ...missing, reason: 'worker_down' })]).toEqual([true, false, true, true]);
  });
});

describe('the mark at somebody', () => {
  const people = [person('host', 'host'), person('guest'), person('other')] as const;
  const marks = (view: RoomView, on: VisionBoard): (string | null)[] =>
    people.map((one) => {
      const mark = markOf(view, on, one);
      return mark === null ? null : markText(mark);
    });
  const everybody = state({ consented: ['host', 'guest'], declined: ['other'] });
  const seen = board(looks('host', 'happy'), looks('guest', null), looks('other', 'sad'));

  it('is seen by hosts of everybody, by others of themselves', () => {
    expect(marks(run(joined(everybody, 'host')), seen)).toEqual(['emotion.happy', 'emotion.none', 'emotion.declined']);
    expect(marks(run(joined(everybody)), seen)).toEqual([null, 'emotion.none', null]);
    expect(marks(run(joined(state({ consented: ['host'] }), 'host')), seen)).toEqual(['emotion.happy', 'emotion.waiting', 'emotion.waiting']);
  });

  it('goes with the switch and the camera', () => {
    expect(marks(run(joined(state({ ...everybody, emotion: still }), 'host')), seen)).toEqual([null, null, null]);
    expect(marks(run(joined(state({ ...everybody, emotion: still, deepfake: lit }), 'host')), seen)).toEqual([null, null, 'emotion.declined']);
    const view = run(joined(everybody, 'host'));
    expect(markOf(view, seen, { ...person('guest'), tracks: camera(true) })).toBeNull();
    expect(markOf(view, board(), person('guest'))).toBeNull();
  });

  it('is not an old one', () => {
    const on = board(looks('host', 'happy'), looks('guest', 'sad'));
    const left = (event: AnyServerMessage): string[] => Object.keys(reduceVision(on, event).emotions);
    expect(left(told({ consented: ['host'], declined: ['guest'] }))).toEqual(['host']);
    expect(left(told({ ...everybody, emotion: still }))).toEqual([]);
    expect(left({ type: 'user-left', participant_id: 'host', reason: 'left' })).toEqual(['guest']);
    expect(left({ type: 'tracks', participant_id: 'guest', tracks: camera(true) })).toEqual(['host']);
    expect(left({ type: 'tracks', participant_id: 'guest', tracks: [] })).toEqual(['host']);
    expect(left({ type: 'participant-changed', participant: { ...person('guest'), tracks: [] } })).toEqual(['host']);
    expect(left(joined(everybody))).toEqual([]);
    expect(reduceVision(on, told(everybody))).toBe(on);
    expect(reduceVision(on, { type: 'tracks', participant_id: 'guest', tracks: camera() })).toBe(on);
  });
});

describe('alerts', () => {
  const ids = (on: VisionBoard): string[] => on.alerts.map((one) => one.id);

  it('stand once, the newest first, wherever they came from', () => {
    const on = board(alert('a2', 2_000), { type: 'local-alerts', alerts: [kept('a1', 1_000), kept('a3', 3_000)] }, alert('a2', 2_000));
    expect(ids(on)).toEqual(['a3', 'a2', 'a1']);
    expect(on.alerts[2]).toEqual({
      id: 'a1', participantId: 'guest', name: 'Guest', kind: 'generated_picture', score: 0.8, model: 'clip', atMs: 1_000, hasEvidence: false,
    });
    expect(ids(reduceVision(on, joined(state())))).toEqual(['a3', 'a2', 'a1']);
  });

  it('that were dismissed stay away, an older list notwithstanding', () => {
    const on = board(alert('a1', 1_000), alert('a2', 2_000), { type: 'local-alert-dismissed', id: 'a1' }, { type: 'local-alerts', alerts: [kept('a1', 1_000)] });
    expect(ids(on)).toEqual(['a2']);
  });

  it('have scores that do not look like a probability', () => {
    expect([scoreText(0.9149, 'en'), scoreText(1, 'zh-CN')]).toEqual(['0.91', '1.00']);
  });
});

describe('what is told', () => {
  const notice = (before: VisionState, now: VisionState, selfId = 'guest'): string | null =>
    noticeOf(run(joined(before, selfId)), { type: 'vision', ...now })?.key ?? null;

  it('is who switched what on, and that it is off', () => {
    const agreed = { consented: ['guest'] };
    expect(notice(state({ ...agreed, emotion: still }), state(agreed))).toBe('toast.visionEmotionOn');
    expect(notice(state(agreed), state({ ...agreed, deepfake: { ...lit, by_name: null } }))).toBe('toast.visionDeepfakeAuto');
    expect(notice(state(agreed), state({ ...agreed, emotion: still }))).toBe('toast.visionEmotionOff');
    expect(notice(state(agreed), state({ consented: ['guest', 'other'] }))).toBeNull();
  });

  it('is left to the dialog for who is asked by it', () => {
    expect(notice(off, state())).toBeNull();
  });

  it('is that it stands still, and goes on', () => {
    const paused = state({ emotion: { ...lit, available: false, reason: 'worker_down' } });
    expect(notice(state(), paused)).toBe('toast.visionStopped');
    expect(notice(paused, state())).toBe('toast.visionBack');
    expect(notice(off, state({ emotion: { ...still, available: false, reason: 'worker_down' } }))).toBeNull();
  });
});

describe('a meeting that is planned', () => {
  const info = (...tasks: string[]): Parameters<typeof plannable>[0] => ({
    enabled: true, tasks: ['faces', 'emotion', 'spoof', 'synthesis'].map((task) => ({ task, available: tasks.includes(task), models: [], reason: null })),
  });

  it('may have what the server has models for', () => {
    expect([plannable(info('faces', 'emotion'), 'emotion'), plannable(info('emotion'), 'emotion')]).toEqual([null, 'vision.why.model_not_installed']);
    expect([plannable(info('faces', 'spoof'), 'deepfake'), plannable(info('synthesis'), 'deepfake'), plannable(info('spoof'), 'deepfake')]).toEqual([
      null, null, 'vision.why.model_not_installed',
    ]);
    expect(plannable({ enabled: false, tasks: [] }, 'emotion')).toBe('vision.why.ai_disabled');
  });
});
