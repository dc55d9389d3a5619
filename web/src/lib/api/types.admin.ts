/** What the HTTP API says of jobs, plugins, the audit log and notifications; see types.ts. */

export type JobState = 'waiting' | 'running' | 'done' | 'dead' | 'cancelled';

/** Work of the server's queue. */
export interface Job {
  id: string;
  type: string;
  priority: string;
  state: JobState;
  attempts: number;
  max_attempts: number;
  meeting_id: string | null;
  progress: number | null;
  progress_note: string | null;
  cancel_requested: boolean;
  last_error: string | null;
  created_at: string;
  run_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export type PluginState = 'available' | 'unsupported' | 'starting' | 'enabled' | 'disabled' | 'failed';

export interface Plugin {
  name: string;
  version: string;
  package: string;
  groups: string[];
  state: PluginState;
  reason: string | null;
  since: string | null;
  statistics: {
    calls: number;
    succeeded: number;
    undeliverable: number;
    later: number;
    failed: number;
    refused: number;
    outstanding: number;
    latency_mean_ms: number | null;
    latency_max_ms: number | null;
  };
}

export interface AuditEntry {
  id: string;
  at: string;
  actor_id: string | null;
  actor_name: string;
  action: string;
  outcome: string;
  target: string | null;
  address: string;
  detail: string;
}

/** Whether the seals of the audit log follow each other. */
export interface AuditVerdict {
  intact: boolean;
  rows: number;
  seal: string;
  broken_at: number | null;
  reason: string;
}

/** What somebody wants to be told of, and by whom this server can tell. */
export interface NotificationPreferences {
  locale: string;
  time_zone: string;
  off: { kind: string; notifier: string }[];
  kinds: string[];
  notifiers: string[];
}

export interface NotificationDelivery {
  notifier: string;
  state: 'waiting' | 'sent' | 'failed' | 'skipped';
  attempts: number;
  reason: string | null;
  changed_at: string;
}

export interface SentNotification {
  id: string;
  kind: string;
  title: string;
  body: string;
  url: string | null;
  created_at: string;
  deliveries: NotificationDelivery[];
}
