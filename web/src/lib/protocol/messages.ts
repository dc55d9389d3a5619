// Generated from appliance/signaling/messages.py by scripts/generate_protocol.py; do not edit.
// `npm run protocol` writes it again, `python3 scripts/generate_protocol.py --check` says whether it is current.

/** What every message of a client has. */
export interface Asked {
  /** Comes back in the `error` or the answer that the message caused. */
  ref?: string | null;
}

/** What every message of the server has. */
export interface Told {
  /** Present on frames that change what the client knows; see `Resume.last_seq`. */
  seq?: number;
}

export type Source = 'camera' | 'microphone' | 'screen' | 'screen_audio';

export type VideoSource = 'camera' | 'screen';

export type Role = 'cohost' | 'host' | 'participant';

export type Kind = 'audio' | 'video';

export interface Capabilities {
  max_seats?: number;
  data_channel?: boolean;
}

export interface Join extends Asked {
  type: 'join';
  room: string;
  token: string;
  capabilities?: Capabilities;
}

export interface Resume extends Asked {
  type: 'resume';
  session_id: string;
  resume_token: string;
  last_seq: number;
}

export interface Leave extends Asked {
  type: 'leave';
}

export interface PublishLine {
  mid: string;
  source: 'camera' | 'microphone' | 'screen' | 'screen_audio';
}

export interface ReceiveLine {
  seat: number;
  audio_mid: string | null;
  video_mid?: string | null;
}

export interface Offer extends Asked {
  type: 'offer';
  sdp: string;
  negotiation: number;
  publish?: PublishLine[];
  receive?: ReceiveLine[];
}

export interface Candidate extends Asked {
  type: 'candidate';
  candidate: string;
  mid?: string | null;
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

export interface Subscribe extends Asked {
  type: 'subscribe';
  videos: WantedVideo[];
}

export interface Mute extends Asked {
  type: 'mute';
  source: 'camera' | 'microphone' | 'screen' | 'screen_audio';
  muted: boolean;
}

export interface Chat extends Asked {
  type: 'chat';
  text: string;
}

export interface History extends Asked {
  type: 'history';
  after_seq: number;
  limit?: number;
}

export interface Reaction extends Asked {
  type: 'reaction';
  reaction: 'celebrate' | 'clap' | 'heart' | 'laugh' | 'surprise' | 'thumbs_up';
}

export interface RaiseHand extends Asked {
  type: 'raise_hand';
  raised: boolean;
}

export interface MuteParticipant extends Asked {
  type: 'mute_participant';
  participant_id: string;
  source: 'camera' | 'microphone' | 'screen' | 'screen_audio';
}

export interface Kick extends Asked {
  type: 'kick';
  participant_id: string;
}

export interface SetRole extends Asked {
  type: 'set_role';
  participant_id: string;
  role: 'cohost' | 'host' | 'participant';
}

export interface LowerHand extends Asked {
  type: 'lower_hand';
  participant_id: string;
}

export interface LockMeeting extends Asked {
  type: 'lock_meeting';
  locked: boolean;
}

export interface RecordingConsent extends Asked {
  type: 'recording_consent';
  accepted: boolean;
}

export interface SetCaptions extends Asked {
  type: 'set_captions';
  on: boolean;
  language?: string | null;
}

export interface ShareMicrophone extends Asked {
  type: 'share_microphone';
  shared: boolean;
}

export interface SetVision extends Asked {
  type: 'vision';
  emotion?: boolean | null;
  deepfake?: boolean | null;
}

export interface VisionConsent extends Asked {
  type: 'vision_consent';
  accepted: boolean;
}

export interface RecordingStart extends Asked {
  type: 'recording_start';
  layout?: 'grid' | 'screen' | 'speaker' | null;
}

export interface RecordingPause extends Asked {
  type: 'recording_pause';
  paused: boolean;
}

export interface RecordingStop extends Asked {
  type: 'recording_stop';
}

export interface EndMeeting extends Asked {
  type: 'end_meeting';
}

export interface Ping extends Asked {
  type: 'ping';
  time_ms?: number;
}

export type AnyClientMessage =
  Join | Resume | Leave | Offer | Candidate | Subscribe | Mute | Chat | History | Reaction | RaiseHand |
  MuteParticipant | Kick | SetRole | LowerHand | LockMeeting | RecordingConsent | SetCaptions |
  ShareMicrophone | SetVision | VisionConsent | RecordingStart | RecordingPause | RecordingStop | EndMeeting |
  Ping;

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

export interface RecordingState {
  state: 'off' | 'on' | 'paused';
  recording_id: string;
  since_ms: number | null;
  by_name: string | null;
  reason: string | null;
  consent_required: boolean;
}

export interface CaptionsState {
  on: boolean;
  available: boolean;
  reason: 'ai_disabled' | 'model_not_installed' | 'overloaded' | 'worker_down' | null;
  language: string;
  languages: string[];
  transcript: boolean;
  report_at: string | null;
  voices: boolean;
  since_ms: number | null;
  by_name: string | null;
}

export interface RoomState {
  meeting_id: string;
  code: string;
  title: string;
  started_at_ms: number;
  locked: boolean;
  max_participants: number;
  participants: Participant[];
  recording: RecordingState | null;
  captions: CaptionsState;
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

export interface CaptionLine {
  caption_id: string;
  participant_id: string;
  name: string;
  text: string;
  final: boolean;
  start_ms: number;
  end_ms: number;
  language: string;
  voice: number | null;
}

export interface VisionSwitch {
  on: boolean;
  available: boolean;
  reason: 'ai_disabled' | 'model_not_installed' | 'overloaded' | 'worker_down' | null;
  since_ms: number | null;
  by_name: string | null;
}

export interface VisionState {
  emotion: VisionSwitch;
  deepfake: VisionSwitch;
  consented: string[];
  declined: string[];
}

export interface Joined extends Told {
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
  captions: CaptionLine[];
  vision: VisionState;
  ref: string | null;
}

export interface Resumed extends Told {
  type: 'resumed';
  session_id: string;
  replayed: number;
  media_connected: boolean;
  ref: string | null;
}

export interface UserJoined extends Told {
  type: 'user-joined';
  participant: Participant;
}

export interface UserLeft extends Told {
  type: 'user-left';
  participant_id: string;
  reason: 'ended' | 'kicked' | 'left' | 'lost';
}

export interface ParticipantChanged extends Told {
  type: 'participant-changed';
  participant: Participant;
}

export interface Answer extends Told {
  type: 'answer';
  sdp: string;
  negotiation: number;
  ref: string | null;
}

export interface NeedMedia extends Told {
  type: 'need_media';
  need: MediaNeed;
}

export interface SeatBinding {
  seat: number;
  participant_id: string | null;
  source: 'camera' | 'screen';
  audio: boolean;
  video: boolean;
}

export interface Seats extends Told {
  type: 'seats';
  seats: SeatBinding[];
}

export interface PublishLayer {
  rid: string | null;
  active: boolean;
}

export interface PublishLayers extends Told {
  type: 'publish_layers';
  source: 'camera' | 'screen';
  layers: PublishLayer[];
}

export interface Tracks extends Told {
  type: 'tracks';
  participant_id: string;
  tracks: Track[];
}

export interface SpeakerLevel {
  participant_id: string;
  level: number;
}

export interface ActiveSpeakers extends Told {
  type: 'active-speakers';
  speakers: SpeakerLevel[];
  dominant: string | null;
}

export interface ParticipantQuality {
  participant_id: string;
  score: number;
  uplink_loss: number;
  downlink_loss: number;
  rtt_ms: number | null;
}

export interface Quality extends Told {
  type: 'quality';
  participants: ParticipantQuality[];
}

export interface ChatPosted extends Told {
  type: 'chat';
  message: ChatMessage;
  ref: string | null;
}

export interface HistoryPage extends Told {
  type: 'history';
  messages: ChatMessage[];
  more: boolean;
  ref: string | null;
}

export interface ReactionShown extends Told {
  type: 'reaction';
  participant_id: string;
  reaction: string;
}

export interface Moderation extends Told {
  type: 'moderation';
  action: 'hand_lowered' | 'kicked' | 'muted' | 'role_changed';
  by_participant_id: string | null;
  source: 'camera' | 'microphone' | 'screen' | 'screen_audio' | null;
  role: 'cohost' | 'host' | 'participant' | null;
}

export interface RoomChanged extends Told {
  type: 'room-changed';
  title: string;
  locked: boolean;
}

export interface Recording extends Told {
  type: 'recording';
  state: 'off' | 'on' | 'paused';
  recording_id: string;
  since_ms: number | null;
  by_name: string | null;
  reason: string | null;
  consent_required: boolean;
}

export interface Captions extends Told {
  type: 'captions';
  on: boolean;
  available: boolean;
  reason: 'ai_disabled' | 'model_not_installed' | 'overloaded' | 'worker_down' | null;
  language: string;
  languages: string[];
  transcript: boolean;
  report_at: string | null;
  voices: boolean;
  since_ms: number | null;
  by_name: string | null;
}

export interface Caption extends Told {
  type: 'caption';
  caption_id: string;
  participant_id: string;
  name: string;
  text: string;
  final: boolean;
  start_ms: number;
  end_ms: number;
  language: string;
  voice: number | null;
}

export interface Vision extends Told {
  type: 'vision';
  emotion: VisionSwitch;
  deepfake: VisionSwitch;
  consented: string[];
  declined: string[];
}

export interface Emotion extends Told {
  type: 'emotion';
  participant_id: string;
  label: 'angry' | 'disgust' | 'fear' | 'happy' | 'neutral' | 'sad' | 'surprise' | null;
  score: number;
  at_ms: number;
}

export interface VisionAlert extends Told {
  type: 'vision_alert';
  alert_id: string;
  participant_id: string;
  name: string;
  kind: 'face_spoof' | 'generated_picture' | 'synthetic_voice';
  score: number;
  model: string;
  at_ms: number;
  has_evidence: boolean;
}

export interface RecordingProgress extends Told {
  type: 'recording-progress';
  recording_id: string;
  share: number;
  stage: string;
  time_left_s: number | null;
}

export interface RecordingProcessed extends Told {
  type: 'recording-processed';
  recording_id: string;
  outcome: 'cancelled' | 'failed' | 'ready';
}

export interface RoomClosed extends Told {
  type: 'room-closed';
  reason: 'ended' | 'kicked' | 'replaced' | 'server_stopping';
  message: string;
  reconnect_after_s: number | null;
}

export interface Pong extends Told {
  type: 'pong';
  time_ms: number;
  server_time_ms: number;
}

export interface Heartbeat extends Told {
  type: 'heartbeat';
  server_time_ms: number;
}

export interface Error extends Told {
  type: 'error';
  code: string;
  message: string;
  field: string | null;
  ref: string | null;
  retry_after_s: number | null;
  fatal: boolean;
}

export type AnyServerMessage =
  Joined | Resumed | UserJoined | UserLeft | ParticipantChanged | Answer | NeedMedia | Seats | PublishLayers |
  Tracks | ActiveSpeakers | Quality | ChatPosted | HistoryPage | ReactionShown | Moderation | RoomChanged |
  Recording | Captions | Caption | Vision | Emotion | VisionAlert | RecordingProgress | RecordingProcessed |
  RoomClosed | Pong | Heartbeat | Error;

export const SERVER_TYPES: readonly string[] = [
  'active-speakers',
  'answer',
  'caption',
  'captions',
  'chat',
  'emotion',
  'error',
  'heartbeat',
  'history',
  'joined',
  'moderation',
  'need_media',
  'participant-changed',
  'pong',
  'publish_layers',
  'quality',
  'reaction',
  'recording',
  'recording-processed',
  'recording-progress',
  'resumed',
  'room-changed',
  'room-closed',
  'seats',
  'tracks',
  'user-joined',
  'user-left',
  'vision',
  'vision_alert',
];
