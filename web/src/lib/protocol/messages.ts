// Generated from appliance/signaling/messages.py by scripts/generate_protocol.py; do not edit.
// `npm run protocol` writes it again, `python3 scripts/generate_protocol.py --check` says whether it is current.

export type Source = 'camera' | 'microphone' | 'screen' | 'screen_audio';

export type VideoSource = 'camera' | 'screen';

export type Role = 'cohost' | 'host' | 'participant';

export type Kind = 'audio' | 'video';

export interface Capabilities {
  max_seats?: number;
  data_channel?: boolean;
}

export interface Join {
  type: 'join';
  room: string;
  token: string;
  capabilities?: Capabilities;
  ref?: string | null;
}

export interface Resume {
  type: 'resume';
  session_id: string;
  resume_token: string;
  last_seq: number;
  ref?: string | null;
}

export interface Leave {
  type: 'leave';
  ref?: string | null;
}

export interface PublishLine {
  mid: string;
  source: 'camera' | 'microphone' | 'screen' | 'screen_audio';
}

export interface ReceiveLine {
  seat: number;
  audio_mid: string;
  video_mid?: string | null;
}

export interface Offer {
  type: 'offer';
  sdp: string;
  negotiation: number;
  publish?: PublishLine[];
  receive?: ReceiveLine[];
  ref?: string | null;
}

export interface Candidate {
  type: 'candidate';
  candidate: string;
  mid?: string | null;
  ref?: string | null;
}

export interface WantedVideo {
  participant_id: string;
  source?: 'camera' | 'screen';
  width?: number;
  height?: number;
  max_fps?: number;
  priority?: number;
  pinned?: boolean;
}

export interface Subscribe {
  type: 'subscribe';
  videos: WantedVideo[];
  ref?: string | null;
}

export interface Mute {
  type: 'mute';
  source: 'camera' | 'microphone' | 'screen' | 'screen_audio';
  muted: boolean;
  ref?: string | null;
}

export interface Chat {
  type: 'chat';
  text: string;
  ref?: string | null;
}

export interface History {
  type: 'history';
  after_seq: number;
  limit?: number;
  ref?: string | null;
}

export interface Reaction {
  type: 'reaction';
  reaction: 'celebrate' | 'clap' | 'heart' | 'laugh' | 'surprise' | 'thumbs_up';
  ref?: string | null;
}

export interface RaiseHand {
  type: 'raise_hand';
  raised: boolean;
  ref?: string | null;
}

export interface MuteParticipant {
  type: 'mute_participant';
  participant_id: string;
  source: 'camera' | 'microphone' | 'screen' | 'screen_audio';
  ref?: string | null;
}

export interface Kick {
  type: 'kick';
  participant_id: string;
  ref?: string | null;
}

export interface SetRole {
  type: 'set_role';
  participant_id: string;
  role: 'cohost' | 'host' | 'participant';
  ref?: string | null;
}

export interface LowerHand {
  type: 'lower_hand';
  participant_id: string;
  ref?: string | null;
}

export interface LockMeeting {
  type: 'lock_meeting';
  locked: boolean;
  ref?: string | null;
}

export interface EndMeeting {
  type: 'end_meeting';
  ref?: string | null;
}

export interface Ping {
  type: 'ping';
  time_ms?: number;
  ref?: string | null;
}

export type AnyClientMessage =
  | Join
  | Resume
  | Leave
  | Offer
  | Candidate
  | Subscribe
  | Mute
  | Chat
  | History
  | Reaction
  | RaiseHand
  | MuteParticipant
  | Kick
  | SetRole
  | LowerHand
  | LockMeeting
  | EndMeeting
  | Ping;

export interface Track {
  track_id: string;
  source: 'camera' | 'microphone' | 'screen' | 'screen_audio';
  kind: 'audio' | 'video';
  muted: boolean;
}

export interface Participant {
  participant_id: string;
  user_id: string | null;
  name: string;
  avatar_url: string | null;
  role: 'cohost' | 'host' | 'participant';
  joined_at_ms: number;
  hand_raised_at_ms: number | null;
  reconnecting: boolean;
  tracks: Track[];
}

export interface RoomState {
  meeting_id: string;
  code: string;
  title: string;
  started_at_ms: number;
  locked: boolean;
  max_participants: number;
  participants: Participant[];
}

export interface MediaNeed {
  seats: number;
  audio_seats: number;
}

export interface IceServer {
  urls: string[];
  username: string | null;
  credential: string | null;
}

export interface ChatMessage {
  chat_seq: number;
  message_id: string;
  participant_id: string;
  user_id: string | null;
  name: string;
  text: string;
  sent_at_ms: number;
}

export interface Joined {
  type: 'joined';
  session_id: string;
  resume_token: string;
  resume_within_s: number;
  heartbeat_s: number;
  participant_id: string;
  room: RoomState;
  need_media: MediaNeed;
  ice_servers: IceServer[];
  chat: ChatMessage[];
  ref: string | null;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface Resumed {
  type: 'resumed';
  session_id: string;
  replayed: number;
  media_connected: boolean;
  ref: string | null;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface UserJoined {
  type: 'user-joined';
  participant: Participant;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface UserLeft {
  type: 'user-left';
  participant_id: string;
  reason: 'ended' | 'kicked' | 'left' | 'lost';
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface ParticipantChanged {
  type: 'participant-changed';
  participant: Participant;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface Answer {
  type: 'answer';
  sdp: string;
  negotiation: number;
  ref: string | null;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface NeedMedia {
  type: 'need_media';
  need: MediaNeed;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface SeatBinding {
  seat: number;
  participant_id: string | null;
  source: 'camera' | 'screen';
  audio: boolean;
  video: boolean;
}

export interface Seats {
  type: 'seats';
  seats: SeatBinding[];
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface Tracks {
  type: 'tracks';
  participant_id: string;
  tracks: Track[];
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface SpeakerLevel {
  participant_id: string;
  level: number;
}

export interface ActiveSpeakers {
  type: 'active-speakers';
  speakers: SpeakerLevel[];
  dominant: string | null;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface ParticipantQuality {
  participant_id: string;
  score: number;
  uplink_loss: number;
  downlink_loss: number;
  rtt_ms: number | null;
}

export interface Quality {
  type: 'quality';
  participants: ParticipantQuality[];
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface ChatPosted {
  type: 'chat';
  message: ChatMessage;
  ref: string | null;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface HistoryPage {
  type: 'history';
  messages: ChatMessage[];
  more: boolean;
  ref: string | null;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface ReactionShown {
  type: 'reaction';
  participant_id: string;
  reaction: string;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface Moderation {
  type: 'moderation';
  action: 'hand_lowered' | 'kicked' | 'muted' | 'role_changed';
  by_participant_id: string | null;
  source: 'camera' | 'microphone' | 'screen' | 'screen_audio' | null;
  role: 'cohost' | 'host' | 'participant' | null;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface RoomChanged {
  type: 'room-changed';
  title: string;
  locked: boolean;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface RoomClosed {
  type: 'room-closed';
  reason: 'ended' | 'kicked' | 'replaced' | 'server_stopping';
  message: string;
  reconnect_after_s: number | null;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface Pong {
  type: 'pong';
  time_ms: number;
  server_time_ms: number;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface Heartbeat {
  type: 'heartbeat';
  server_time_ms: number;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export interface Error {
  type: 'error';
  code: string;
  message: string;
  field: string | null;
  ref: string | null;
  retry_after_s: number | null;
  fatal: boolean;
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export type AnyServerMessage =
  | Joined
  | Resumed
  | UserJoined
  | UserLeft
  | ParticipantChanged
  | Answer
  | NeedMedia
  | Seats
  | Tracks
  | ActiveSpeakers
  | Quality
  | ChatPosted
  | HistoryPage
  | ReactionShown
  | Moderation
  | RoomChanged
  | RoomClosed
  | Pong
  | Heartbeat
  | Error;

export const SERVER_TYPES: readonly string[] = [
  'active-speakers',
  'answer',
  'chat',
  'error',
  'heartbeat',
  'history',
  'joined',
  'moderation',
  'need_media',
  'participant-changed',
  'pong',
  'quality',
  'reaction',
  'resumed',
  'room-changed',
  'room-closed',
  'seats',
  'tracks',
  'user-joined',
  'user-left',
];
