/** Shapes of the HTTP API's `data`; the server's OpenAPI document (/docs) is the reference. */

import type { Role, Source } from '../protocol/messages';

export interface User {
  id: string;
  username: string;
  email: string;
  nickname: string;
  avatar_url: string | null;
  role: 'user' | 'admin';
  status: 'active' | 'banned';
  created_at: string;
  last_login_at: string | null;
  /** False: the password is known elsewhere, and changed there. */
  has_password: boolean;
}

export interface SignedIn {
  user: User;
  csrf_token: string;
}

export interface ServerInfo {
  name: string;
  version: string;
  registration: 'open' | 'closed';
  guests_allowed: boolean;
  setup_needed: boolean;
  password_min_length: number;
  languages: string[];
}

export interface MeetingSettings {
  guests_allowed: boolean;
  has_passcode: boolean;
  locked: boolean;
  auto_record: boolean;
  /** Nobody is recorded before agreeing to it. */
  recording_consent: boolean;
  recording_access: RecordingAccess;
  recording_download: RecordingDownload;
  /** Switched on from the meeting's start; nobody is analysed before agreeing to it. */
  emotion_detection: boolean;
  deepfake_detection: boolean;
}

/** Who besides the creator, the hosts and administrators may watch. */
export type RecordingAccess = 'hosts' | 'participants';

/** Who of those that may watch may download. */
export type RecordingDownload = 'everyone' | 'hosts';

export type MeetingStatus = 'scheduled' | 'active' | 'ended' | 'cancelled';

/** What somebody who is not signed in may know of a meeting. */
export interface MeetingOutline {
  id: string;
  code: string;
  title: string;
  status: MeetingStatus;
  start_time: string | null;
  /** True while it is being recorded. */
  recording: boolean;
  /** True while what is said there is transcribed. */
  captions: boolean;
  settings: MeetingSettings;
}

export interface Meeting extends MeetingOutline {
  description: string;
  creator: { id: string; nickname: string; avatar_url: string | null } | null;
  end_time: string | null;
  started_at: string | null;
  ended_at: string | null;
  created_at: string;
  max_participants: number;
  participant_count: number;
  url: string;
  my_role: Role | null;
  /** Something of what was said is kept, and open to this user. */
  has_transcript: boolean;
}

export interface MeetingDraft {
  title?: string;
  description?: string;
  start_time?: string | null;
  end_time?: string | null;
  max_participants?: number;
  guests_allowed?: boolean;
  passcode?: string | null;
  auto_record?: boolean;
  recording_consent?: boolean;
  recording_access?: RecordingAccess;
  recording_download?: RecordingDownload;
  emotion_detection?: boolean;
  deepfake_detection?: boolean;
}

export interface JoinGrant {
  meeting: MeetingOutline & Partial<Meeting>;
  token: string;
  name: string;
  role: Role;
  signaling_path: string;
  guest: boolean;
}

export type RecordingStatus = 'recording' | 'paused' | 'processing' | 'ready' | 'failed' | 'cancelled';
export type RecordingLayout = 'speaker' | 'grid' | 'screen';

export interface RecordingTrack {
  id: string;
  participant_id: string;
  name: string;
  source: Source;
  codec: string;
  size_bytes: number;
  /** Seconds after the recording's beginning. */
  start_s: number;
  duration_s: number;
}

export interface Chapter {
  start_s: number;
  title: string;
}

export interface RecordingProgress {
  /** 0 to 1. */
  share: number;
  stage: string;
  time_left_s: number | null;
}

export interface Recording {
  id: string;
  /** Null for who came by a share link. */
  meeting_id: string | null;
  title: string;
  status: RecordingStatus;
  started_at: string;
  stopped_at: string | null;
  /** Without pauses; known when it is ready. */
  duration_s: number | null;
  size_bytes: number | null;
  /** The server was killed while it recorded; what was written until then is here. */
  recovered: boolean;
  stop_reason: string | null;
  started_by: string | null;
  layout: RecordingLayout;
  /** Null while it waits, and once it is done. */
  progress: RecordingProgress | null;
  error: string | null;
  has_video_file: boolean;
  has_thumbnail: boolean;
  has_captions: boolean;
  tracks: RecordingTrack[];
  chapters: Chapter[];
  /** What its meeting says; null for who came by a share link. */
  recording_download: RecordingDownload | null;
  permissions: { download: boolean; share: boolean; delete: boolean; process: boolean };
}

/** One phrase of a kept transcript. */
export interface TranscriptSegment {
  id: string;
  participant_id: string;
  /** Of the speaker, as it was then. */
  name: string;
  start_time: string;
  end_time: string;
  text: string;
  language: string;
}

/** A phrase that was searched for. */
export interface FoundSegment extends TranscriptSegment {
  meeting_id: string;
  meeting_code: string;
  meeting_title: string;
}

/** How the video is to be made; what is left out stays as the server has it. */
export interface ProcessingDraft {
  layout?: RecordingLayout;
  height?: number;
  format?: 'mp4' | 'webm';
}

export interface ShareLink {
  url: string;
  token: string;
  expires_at: string;
  /** Whether visitors may download the video, too. */
  download: boolean;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** What somebody said, and where it stands in the transcript. */
export interface Quote {
  segment_id: string;
  participant_id: string;
  name: string;
  time: string;
  text: string;
  language: string;
}

/** Of a report's summary, or a decision. */
export interface ReportPoint {
  /** Written by a language model; empty where the quote says it itself. */
  text: string;
  sources: Quote[];
}

export interface ReportAction extends ReportPoint {
  /** Empty where nobody is named. */
  owner: string;
  due: string;
}

export interface ReportChapter {
  start_time: string;
  end_time: string;
  heading: Quote;
}

export interface ReportSpeaker {
  participant_id: string;
  name: string;
  talk_ms: number;
  /** Of all that was spoken, 0 to 1. */
  share: number;
  turns: number;
  longest_turn_ms: number;
}

export interface ReportAttendee {
  participant_id: string;
  name: string;
  role: 'host' | 'cohost' | 'participant';
  is_guest: boolean;
  stays: { joined_at: string; left_at: string | null }[];
}

export interface ReportContent {
  method: 'extractive' | 'generated';
  model: string;
  fallback_reason: string;
  start_time: string;
  end_time: string;
  phrases: number;
  is_complete: boolean;
  summary: ReportPoint[];
  decisions: ReportPoint[];
  actions: ReportAction[];
  chapters: ReportChapter[];
  speakers: ReportSpeaker[];
  attendees: ReportAttendee[];
}

/** That a picture, or a voice, may not be real. */
export interface KeptAlert {
  id: string;
  participant_id: string;
  name: string;
  kind: 'face_spoof' | 'generated_picture' | 'synthetic_voice';
  /** 0 to 1. */
  score: number;
  model: string;
  at: string;
  has_evidence: boolean;
}

/** What the AI functions of the server can do. */
export interface AiInfo {
  enabled: boolean;
  tasks: { task: string; available: boolean; models: string[]; reason: string | null }[];
}

/** What the faces of somebody who agreed seemed to express. */
export interface ReportEmotions {
  participant_id: string;
  name: string;
  /** Beginning and end in milliseconds since 1970, in order. */
  spans: [number, number, EmotionLabel][];
  /** Of the time in which a face was seen, 0 to 1; labels that never were are left out. */
  shares: Partial<Record<EmotionLabel, number>>;
}

export type EmotionLabel = 'angry' | 'disgust' | 'fear' | 'happy' | 'neutral' | 'sad' | 'surprise';

/** What is left of a meeting, or how far it is. */
export interface MeetingReport {
  meeting_id: string;
  meeting_code: string;
  meeting_title: string;
  status: 'none' | 'making' | 'ready' | 'failed';
  may_make: boolean;
  /** Only what was said while one was there. */
  is_partial: boolean;
  made_at: string | null;
  report: ReportContent | null;
  /** For hosts alone; empty for everybody else, and where nothing was analysed. */
  emotions: ReportEmotions[];
  alerts: KeptAlert[];
}

/** A worker that runs models. */
export interface WorkerHealth {
  name: string;
  kind: 'local' | 'remote';
  state: 'stopped' | 'starting' | 'up';
  /** Why it is not up. */
  reason: string;
  restarts: number;
  host: string;
  pid: number | null;
  /** What it computes on: `cpu`, `cuda`, `tensorrt`; empty until it answered. */
  device: string;
  device_wanted: string;
  providers: string[];
  runtime: string;
  threads: number;
  rss_bytes: number | null;
  gpu_bytes: number | null;
  cpu_s: number | null;
  in_flight: number;
  models_loaded: string[];
}

export interface ModelHealth {
  name: string;
  task: string;
  version: string;
  summary: string;
  licence: string;
  size_bytes: number;
  languages: string[];
  duty: 'captions' | 'audio' | 'vision';
  default: boolean;
  installed: boolean;
  loaded: boolean;
  pinned: boolean;
  providers: string[];
  problem: string;
  /** The command that brings it, while it is not installed. */
  hint: string;
  waiting: number;
  queued: number;
  answered: number;
  failed: number;
  run_ms: number;
  batches: number;
  max_batch: number;
  latency: { samples: number; p50_ms: number; p99_ms: number } | null;
  load_ms: number;
}

export type ModelAction = 'load' | 'unload' | 'pin' | 'unpin';

export interface AdminModels {
  health: {
    state: 'off' | 'no_models' | 'starting' | 'ready' | 'degraded' | 'down';
    warnings: string[];
    /** Of them: why a graphics card that is there or configured is not used. */
    gpu_warnings: string[];
    workers: WorkerHealth[];
    queue: {
      waiting: number;
      waiting_bytes: number;
      in_flight: number;
      sessions: number;
      submitted: number;
      answered: number;
      expired: number;
      repeated: number;
      lost: number;
      shed: Record<string, number>;
    };
  };
  models: ModelHealth[];
}
