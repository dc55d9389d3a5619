import { describe, expect, it } from 'vitest';
import type { AnyServerMessage, CaptionsState, ChatMessage, Participant, RecordingState } from '../protocol/messages';
import { noticeOf } from './notices';
import { asksConsent, emptyView, mergeChat, offersCaptions, raisedHands, reduce, seatFor, self, sends, type LocalEvent, type RoomView } from './room';

const person = (id: string, change: Partial<Participant> = {}): Participant => ({
  participant_id: id, user_id: null, name: id.toUpperCase(), avatar_url: null, role: 'participant', joined_at_ms: 0,
  hand_raised_at_ms: null, reconnecting: false, tracks: [], ...change,
});
const line = (seq: number, from = 'b', text = `line ${seq}`): ChatMessage => ({
  chat_seq: seq, message_id: `m${seq}`, participant_id: from, user_id: null, name: from, text, sent_at_ms: seq,
});
const still = { on: false, available: true, reason: null, since_ms: null, by_name: null };
const joined = (
  chat: ChatMessage[] = [],
  people = [person('a', { role: 'host' }), person('b')],
  recording: RecordingState | null = null,
  captions: CaptionsState = captioned({ on: false, since_ms: null, by_name: null }),
): AnyServerMessage => ({
  type: 'joined', session_id: 's', resume_token: 'r', resume_within_s: 30, heartbeat_s: 5, participant_id: 'a',
  room: { meeting_id: 'm', code: 'c', title: 'Plan', started_at_ms: 5, locked: false, max_participants: 10, participants: people, recording, captions },
  need_media: { seats: 4, audio_seats: 0 }, ice_servers: [], chat, captions: [], vision: { emotion: still, deepfake: still, consented: [], declined: [] }, ref: null,
});
const recording = (change: Partial<RecordingState> = {}): RecordingState => ({
  state: 'on', recording_id: 'r1', since_ms: 1_000, by_name: 'B', reason: null, consent_required: false, ...change,
});
const told = (change: Partial<RecordingState> = {}): AnyServerMessage => ({ type: 'recording', ...recording(change) });
const captioned = (change: Partial<CaptionsState> = {}): CaptionsState => ({
  on: true, available: true, reason: null, language: 'auto', languages: ['auto', 'en', 'zh'], transcript: true, report_at: null, voices: false,
  since_ms: 1_000, by_name: 'B', ...change,
});
const switched = (change: Partial<CaptionsState> = {}): AnyServerMessage => ({ type: 'captions', ...captioned(change) });
const off: Partial<CaptionsState> = { on: false, since_ms: null, by_name: null };
const run = (...events: (AnyServerMessage | LocalEvent)[]): RoomView => events.reduce(reduce, emptyView);

describe('people', () => {
  it('come, change and go in the order of joining', () => {
    const view = run(
      joined(),
      { type: 'user-joined', participant: person('c') },
      { type: 'participant-changed', participant: person('b', { hand_raised_at_ms: 9 }) },
      { type: 'user-joined', participant: person('c', { name: 'again' }) },
      { type: 'user-left', participant_id: 'nobody', reason: 'left' },
    );
    expect(view.participants.map((one) => one.participant_id)).toEqual(['a', 'b', 'c']);
    expect(self(view)?.role).toBe('host');
    expect(raisedHands(view).map((one) => one.participant_id)).toEqual(['b']);
    expect(run(joined(), { type: 'user-left', participant_id: 'b', reason: 'left' }).participants).toHaveLength(1);
  });

  it('who left is neither dominant nor measured', () => {
    const view = run(
      joined(),
      { type: 'active-speakers', speakers: [{ participant_id: 'b', level: 0.5 }], dominant: 'b' },
      { type: 'quality', participants: [{ participant_id: 'b', score: 3, uplink_loss: 0, downlink_loss: 0, rtt_ms: 10 }] },
      { type: 'user-left', participant_id: 'b', reason: 'lost' },
    );
    expect(view).toMatchObject({ dominant: null, levels: {}, scores: {} });
  });

  it('send what is published and not muted', () => {
    const view = run(joined(), {
      type: 'tracks',
      participant_id: 'b',
      tracks: [
        { track_id: 't1', source: 'microphone', kind: 'audio', muted: true },
        { track_id: 't2', source: 'camera', kind: 'video', muted: false },
      ],
    });
    const b = view.participants[1];
    if (!b) throw new Error('b is missing');
    expect([sends(b, 'microphone'), sends(b, 'camera'), sends(b, 'screen')]).toEqual([false, true, false]);
  });
});

describe('seats', () => {
  it('are found by who sits there and what is shown', () => {
    const view = run(joined(), {
      type: 'seats',
      seats: [
        { seat: 0, participant_id: 'b', source: 'camera', audio: true, video: true },
        { seat: 1, participant_id: 'b', source: 'screen', audio: false, video: true },
        { seat: 2, participant_id: null, source: 'camera', audio: false, video: false },
      ],
    });
    expect(seatFor(view, 'b', 'screen')?.seat).toBe(1);
    expect(seatFor(view, 'c', 'camera')).toBeNull();
  });

  it('are empty after joining again', () => {
    const seats: AnyServerMessage = { type: 'seats', seats: [{ seat: 0, participant_id: 'b', source: 'camera', audio: true, video: true }] };
    expect(run(joined(), seats, joined()).seats).toEqual([]);
  });
});

describe('chat', () => {
  it('keeps each line once, in order, whatever comes twice', () => {
    expect(mergeChat([line(2), line(3)], [line(1), line(3)]).map((one) => one.chat_seq)).toEqual([1, 2, 3]);
  });

  it('counts what others wrote until it was seen', () => {
    const view = run(joined(), { type: 'chat', message: line(1), ref: null }, { type: 'chat', message: line(2, 'a'), ref: null });
    expect(view.unread).toBe(1);
    expect(reduce(view, { type: 'local-chat-seen' }).unread).toBe(0);
  });

  it('shows our line at once and takes the stored one instead', () => {
    const sent = run(joined(), { type: 'local-chat-sent', ref: 'r1', text: 'hi' });
    expect(sent.pending).toEqual([{ ref: 'r1', text: 'hi', failed: false }]);
    const stored = reduce(sent, { type: 'chat', message: line(1, 'a', 'hi'), ref: 'r1' });
    expect([stored.pending.length, stored.chat.length]).toEqual([0, 1]);
    expect(reduce(sent, { type: 'local-chat-failed', ref: 'r1' }).pending[0]?.failed).toBe(true);
  });

  it('knows whether there is more before the first line', () => {
    const view = run(joined([line(3)]));
    expect(view.earlierChat).toBe(true);
    const page = reduce(view, { type: 'history', messages: [line(1), line(2)], more: false, ref: null });
    expect([page.earlierChat, page.chat.length]).toEqual([false, 3]);
  });
});

describe('recording', () => {
  it('is on, paused and off, and known to who comes later', () => {
    expect(run(joined(), told()).recording).toEqual(recording());
    expect(run(joined(), told(), told({ state: 'paused' })).recording?.state).toBe('paused');
    expect(run(joined(), told(), told({ state: 'off', since_ms: null, reason: 'asked' })).recording).toBeNull();
    expect(run(joined([], [], recording())).recording).toEqual(recording());
    expect(run(joined(), told(), joined()).recording).toBeNull();
  });

  it('is followed while its video is made', () => {
    const progress = { type: 'recording-progress', recording_id: 'r1', share: 0.4, stage: 'video', time_left_s: 9 } as const;
    const processed = { type: 'recording-processed', recording_id: 'r1', outcome: 'ready' } as const;
    const making = run(joined(), progress);
    expect(making.processing).toMatchObject({ recording_id: 'r1', share: 0.4 });
    expect(reduce(making, { ...processed, recording_id: 'r2' }).processing).not.toBeNull();
    expect(reduce(making, processed).processing).toBeNull();
    expect(reduce(making, { type: 'resumed', session_id: 's', replayed: 0, media_connected: true, ref: null }).processing).toBeNull();
    expect(reduce(making, joined()).processing).toBeNull();
    expect(noticeOf(making, processed)?.key).toBe('toast.recordingReady');
    expect(noticeOf(making, { ...processed, outcome: 'failed' })).toMatchObject({ key: 'toast.recordingFailed', tone: 'warn' });
    expect(noticeOf(making, { ...processed, outcome: 'cancelled' })).toBeNull();
    const guest = run(joined([], [person('a'), person('b', { role: 'host' })]));
    expect(noticeOf(guest, processed)).toBeNull();
  });

  it('asks for consent once for each recording, where the meeting wants it', () => {
    const asking = run(joined(), told({ consent_required: true }));
    expect([asksConsent(run(joined(), told())), asksConsent(asking)]).toEqual([false, true]);
    const agreed = reduce(asking, { type: 'local-consented', recordingId: 'r1' });
    expect(asksConsent(agreed)).toBe(false);
    expect(asksConsent(reduce(agreed, told({ consent_required: true, state: 'paused' })))).toBe(false);
    expect(asksConsent(reduce(agreed, told({ consent_required: true, recording_id: 'r2' })))).toBe(true);
  });
});

describe('captions', () => {
  it('are on and off for everybody, and known to who comes later', () => {
    expect(run(joined()).captions?.on).toBe(false);
    expect(run(joined(), switched()).captions).toEqual(captioned());
    expect(run(joined([], [], null, captioned())).captions).toEqual(captioned());
    expect(run(joined(), switched(), switched(off)).captions?.on).toBe(false);
  });

  it('are offered to hosts always, to others while they are on or can be', () => {
    const gone = captioned({ ...off, available: false, reason: 'model_not_installed', languages: [] });
    const host = run(joined([], [person('a', { role: 'host' })], null, gone));
    const guest = run(joined([], [person('a')], null, gone));
    expect([offersCaptions(host), offersCaptions(guest), offersCaptions(emptyView)]).toEqual([true, false, false]);
    expect(offersCaptions(reduce(guest, switched(off)))).toBe(true);
    expect(offersCaptions(reduce(guest, switched({ available: false, reason: 'worker_down' })))).toBe(true);
  });

  it('are told when they go on or off, stand still, go on or leave words out', () => {
    const quiet = run(joined());
    const on = run(joined(), switched());
    const down = reduce(on, switched({ available: false, reason: 'worker_down' }));
    expect(noticeOf(quiet, switched())).toMatchObject({ key: 'toast.captionsOn', values: { name: 'B' }, tone: 'plain' });
    expect(noticeOf(on, switched({ language: 'en' }))).toBeNull();
    expect(noticeOf(on, switched(off))?.key).toBe('toast.captionsOff');
    expect(noticeOf(quiet, switched({ ...off, available: false, reason: 'worker_down' }))).toBeNull();
    expect(noticeOf(on, switched({ available: false, reason: 'worker_down' }))).toMatchObject({ key: 'toast.captionsStopped', tone: 'warn' });
    expect(noticeOf(down, switched())?.key).toBe('toast.captionsBack');
    const shed = reduce(on, switched({ reason: 'overloaded' }));
    expect(noticeOf(on, switched({ reason: 'overloaded' }))?.key).toBe('toast.captionsShed');
    expect([noticeOf(shed, switched({ reason: 'overloaded' })), noticeOf(shed, switched())]).toEqual([null, null]);
  });

  it('are told to who comes in, once, and not beside a recording', () => {
    expect(noticeOf(emptyView, joined([], [], null, captioned()))?.key).toBe('toast.captionsAuto');
    expect(noticeOf(run(joined([], [], null, captioned())), joined([], [], null, captioned()))).toBeNull();
    expect(noticeOf(emptyView, joined([], [], recording(), captioned()))?.key).toBe('toast.recordingAuto');
  });
});

describe('notices', () => {
  it('tells of comings, goings and hands in small rooms only', () => {
    const small = run(joined());
    expect(noticeOf(small, { type: 'user-joined', participant: person('c') })?.key).toBe('toast.joined');
    expect(noticeOf(small, { type: 'user-left', participant_id: 'b', reason: 'kicked' })?.key).toBe('toast.kicked');
    const big = run(joined([], Array.from({ length: 20 }, (_, index) => person(`p${index}`))));
    expect(noticeOf(big, { type: 'user-joined', participant: person('c') })).toBeNull();
    expect(noticeOf(small, { type: 'participant-changed', participant: person('b', { hand_raised_at_ms: 1 }) })?.key).toBe('toast.hand');
  });

  it('says what a host did to us', () => {
    const muted: AnyServerMessage = { type: 'moderation', action: 'muted', by_participant_id: 'b', source: 'camera', role: null };
    expect(noticeOf(emptyView, muted)?.key).toBe('toast.cameraByHost');
  });

  it('says when a recording begins, pauses and ends, and why it ended by itself', () => {
    const quiet = run(joined());
    expect(noticeOf(quiet, told())).toMatchObject({ key: 'toast.recordingOn', values: { name: 'B' } });
    expect(noticeOf(quiet, told({ by_name: null }))?.key).toBe('toast.recordingAuto');
    const on = run(joined(), told());
    const paused = reduce(on, told({ state: 'paused' }));
    expect(noticeOf(on, told())).toBeNull();
    expect(noticeOf(on, told({ state: 'paused' }))?.key).toBe('toast.recordingPaused');
    expect(noticeOf(paused, told())?.key).toBe('toast.recordingResumed');
    const end = (reason: string): unknown => noticeOf(on, told({ state: 'off', reason }));
    expect(end('asked')).toMatchObject({ key: 'toast.recordingOff', tone: 'plain' });
    expect(end('disk full')).toMatchObject({ key: 'toast.recordingDiskFull', tone: 'warn' });
    expect(end('disk failed: EIO')).toMatchObject({ key: 'toast.recordingBroke', values: { reason: 'disk failed: EIO' } });
    expect(end('meeting ended')).toBeNull();
  });

  it('says to who comes in that the meeting is recorded, unless a dialog asks or it is known', () => {
    expect(noticeOf(emptyView, joined([], [], recording()))?.key).toBe('toast.recordingAuto');
    expect(noticeOf(emptyView, joined([], [], recording({ consent_required: true })))).toBeNull();
    expect(noticeOf(run(joined([], [], recording())), joined([], [], recording()))).toBeNull();
  });
});
