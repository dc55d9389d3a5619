/** Shapes of the HTTP API's `data`; the server's OpenAPI document (/docs) is the reference. */

import type { Role } from '../protocol/messages';

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
}

export type MeetingStatus = 'scheduled' | 'active' | 'ended' | 'cancelled';

/** What somebody who is not signed in may know of a meeting. */
export interface MeetingOutline {
  id: string;
  code: string;
  title: string;
  status: MeetingStatus;
  start_time: string | null;
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
}

export interface MeetingDraft {
  title?: string;
  description?: string;
  start_time?: string | null;
  end_time?: string | null;
  max_participants?: number;
  guests_allowed?: boolean;
  passcode?: string | null;
}

export interface JoinGrant {
  meeting: MeetingOutline & Partial<Meeting>;
  token: string;
  name: string;
  role: Role;
  signaling_path: string;
  guest: boolean;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}
