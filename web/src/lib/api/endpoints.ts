/** Every endpoint that the web UI uses, on one screen. */

import { call } from './client';
import type {
  AdminModels,
  AiInfo,
  FoundSegment,
  JoinGrant,
  KeptAlert,
  Meeting,
  MeetingDraft,
  MeetingOutline,
  MeetingReport,
  ModelAction,
  ModelHealth,
  Page,
  ProcessingDraft,
  Recording,
  ServerInfo,
  ShareLink,
  SignedIn,
  TranscriptSegment,
  User,
} from './types';
import type {
  AuditEntry,
  AuditVerdict,
  Job,
  JobState,
  NotificationPreferences,
  Plugin,
  SentNotification,
} from './types.admin';

const at = encodeURIComponent;

export interface NewAccount {
  username: string;
  email: string;
  password: string;
  nickname?: string;
}

/** What is searched for; null: anywhere, by anybody. */
export interface TranscriptQuery {
  text: string;
  meetingId: string | null;
  speaker: string | null;
}

export const api = {
  info: () => call<ServerInfo>('GET', '/info'),
  setup: (account: NewAccount & { token: string }) => call<SignedIn>('POST', '/setup', { ...account, session: 'cookie' }),
  register: (account: NewAccount) => call<SignedIn>('POST', '/auth/register', { ...account, session: 'cookie' }),
  login: (login: string, password: string) =>
    call<SignedIn>('POST', '/auth/login', { login, password, session: 'cookie' }),
  logout: () => call<unknown>('POST', '/auth/logout', {}),

  profile: () => call<User>('GET', '/profile'),
  updateProfile: (change: { nickname?: string; email?: string; username?: string }) =>
    call<User>('PUT', '/profile', change),
  changePassword: (oldPassword: string, newPassword: string) =>
    call<unknown>('POST', '/change-password', { old_password: oldPassword, new_password: newPassword }),
  uploadAvatar: (file: Blob) => {
    const form = new FormData();
    form.append('avatar', file, 'avatar');
    return call<{ avatar_url: string }>('POST', '/upload-avatar', form);
  },
  deleteAccount: (password: string) => call<unknown>('DELETE', '/account', { password }),

  createMeeting: (draft: MeetingDraft) => call<Meeting>('POST', '/meetings', draft),
  myMeetings: (cursor: string | null, limit = 50) =>
    call<Page<Meeting>>('GET', `/meetings?mine=true&limit=${limit}${cursor ? `&cursor=${at(cursor)}` : ''}`),
  meeting: (key: string) => call<MeetingOutline & Partial<Meeting>>('GET', `/meetings/${at(key)}`),
  updateMeeting: (id: string, change: MeetingDraft) => call<Meeting>('PUT', `/meetings/${at(id)}`, change),
  deleteMeeting: (id: string) => call<unknown>('DELETE', `/meetings/${at(id)}`),
  calendarUrl: (id: string) => `/api/v1/meetings/${at(id)}/calendar.ics`,
  /** `visionConsent`: whether one's picture may be analysed; null is no answer. */
  joinMeeting: (key: string, name: string | undefined, passcode: string | undefined, visionConsent: boolean | null) =>
    call<JoinGrant>('POST', `/meetings/${at(key)}/join`, {
      ...(name ? { name } : {}),
      ...(passcode ? { passcode } : {}),
      ...(visionConsent === null ? {} : { vision_consent: visionConsent }),
    }),

  aiInfo: () => call<AiInfo>('GET', '/ai/info'),
  alerts: (meetingId: string) => call<{ alerts: KeptAlert[] }>('GET', `/meetings/${at(meetingId)}/alerts`),
  dismissAlert: (id: string) => call<unknown>('DELETE', `/alerts/${at(id)}`),

  startRecording: (meetingId: string, live: boolean) =>
    call<Recording>('POST', '/recordings', { meeting_id: meetingId, ...(live ? { live } : {}) }),
  report: (meetingId: string) => call<MeetingReport>('GET', `/meetings/${at(meetingId)}/report`),
  makeReport: (meetingId: string) => call<MeetingReport>('POST', `/meetings/${at(meetingId)}/report`, {}),
  transcript: (meetingId: string, cursor: string | null, limit: number) =>
    call<Page<TranscriptSegment>>(
      'GET',
      `/meetings/${at(meetingId)}/transcript?limit=${limit}${cursor ? `&cursor=${at(cursor)}` : ''}`,
    ),
  searchTranscripts: (wanted: TranscriptQuery, cursor: string | null, limit = 30) => {
    const query = new URLSearchParams({ query: wanted.text, limit: String(limit) });
    if (wanted.meetingId !== null) query.set('meeting_id', wanted.meetingId);
    if (wanted.speaker !== null) query.set('speaker', wanted.speaker);
    if (cursor !== null) query.set('cursor', cursor);
    return call<Page<FoundSegment>>('GET', `/transcripts?${query}`);
  },

  notificationPreferences: () => call<NotificationPreferences>('GET', '/notifications/preferences'),
  setNotificationPreferences: (wish: Partial<Pick<NotificationPreferences, 'locale' | 'time_zone' | 'off'>>) =>
    call<NotificationPreferences>('PUT', '/notifications/preferences', wish),
  notifications: (cursor: string | null) =>
    call<Page<SentNotification>>('GET', `/notifications?limit=20${cursor ? `&cursor=${at(cursor)}` : ''}`),
  testNotification: () => call<SentNotification>('POST', '/notifications/test', {}),
  jobs: (state: JobState | null, cursor: string | null = null) =>
    call<Page<Job>>('GET', `/admin/jobs?limit=50${state ? `&state=${state}` : ''}${cursor ? `&cursor=${at(cursor)}` : ''}`),
  actOnJob: (id: string, action: 'requeue' | 'cancel') => call<Job>('POST', `/admin/jobs/${at(id)}/${action}`, {}),
  dropJob: (id: string) => call<unknown>('DELETE', `/admin/jobs/${at(id)}`),
  plugins: () => call<Page<Plugin>>('GET', '/admin/plugins'),
  enablePlugin: (name: string) => call<Plugin>('POST', `/admin/plugins/${at(name)}/enable`, {}),
  audit: (action: string, cursor: string | null = null) =>
    call<Page<AuditEntry>>('GET', `/admin/audit?limit=50${action ? `&action=${at(action)}` : ''}${cursor ? `&cursor=${at(cursor)}` : ''}`),
  verifyAudit: () => call<AuditVerdict>('GET', '/admin/audit/verify'),
  adminModels: () => call<AdminModels>('GET', '/admin/models'),
  setUpModel: (model: string, action: ModelAction) => call<ModelHealth>('POST', '/ai/setup', { model, action }),

  pauseRecording: (id: string) => call<Recording>('POST', `/recordings/${at(id)}/pause`, {}),
  resumeRecording: (id: string) => call<Recording>('POST', `/recordings/${at(id)}/resume`, {}),
  stopRecording: (id: string) => call<Recording>('POST', `/recordings/${at(id)}/stop`, {}),
  recordings: (meetingId: string | null, cursor: string | null, limit = 50) =>
    call<Page<Recording>>(
      'GET',
      `/recordings?limit=${limit}${meetingId ? `&meeting_id=${at(meetingId)}` : ''}${cursor ? `&cursor=${at(cursor)}` : ''}`,
    ),
  recording: (id: string) => call<Recording>('GET', `/recordings/${at(id)}`),
  deleteRecording: (id: string) => call<unknown>('DELETE', `/recordings/${at(id)}`),
  processRecording: (id: string, draft: ProcessingDraft) =>
    call<Recording>('POST', `/recordings/${at(id)}/process`, draft),
  cancelProcessing: (id: string) => call<Recording>('POST', `/recordings/${at(id)}/cancel`, {}),
  shareRecording: (id: string, expiresInS: number, download: boolean) =>
    call<ShareLink>('POST', `/recordings/${at(id)}/share`, { expires_in_s: expiresInS, download }),
  revokeShares: (id: string) => call<unknown>('DELETE', `/recordings/${at(id)}/share`),
  sharedRecording: (token: string) => call<Recording>('GET', `/shared/${at(token)}`),
};

/** Where files are. Of a recording `base` is one of `ownRecording` and `sharedLink`. */
export const files = {
  ownRecording: (id: string) => `/api/v1/recordings/${at(id)}`,
  sharedLink: (token: string) => `/api/v1/shared/${at(token)}`,
  video: (base: string) => `${base}/file`,
  download: (base: string) => `${base}/file?download=1`,
  track: (base: string, track: string) => `${base}/tracks/${at(track)}?download=1`,
  thumbnail: (base: string) => `${base}/thumbnail`,
  captions: (base: string) => `${base}/captions.vtt`,
  evidence: (alertId: string) => `/api/v1/alerts/${at(alertId)}/evidence`,
  audit: '/api/v1/admin/audit/export',
  report: (meetingId: string) => `/api/v1/meetings/${at(meetingId)}/report?format=md`,
  transcript: (meetingId: string, format: 'vtt' | 'srt' | 'md') =>
    `/api/v1/meetings/${at(meetingId)}/transcript?format=${format}`,
};
