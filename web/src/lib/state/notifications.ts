/** What people are told of, by whom, and how that went; pure. */

import type { NotificationDelivery, NotificationPreferences } from '../api/types.admin';
import { t } from '../i18n/index.svelte';
import type { TextKey } from '../i18n/keys';

const KIND_TEXTS: Readonly<Record<string, TextKey>> = {
  'user.registered': 'notifications.kind.registered',
  'user.logged_in': 'notifications.kind.loggedIn',
  'meeting.invited': 'notifications.kind.invited',
  'meeting.updated': 'notifications.kind.updated',
  'meeting.cancelled': 'notifications.kind.cancelled',
  'meeting.reminder': 'notifications.kind.reminder',
  'recording.processed': 'notifications.kind.processed',
  'recording.failed': 'notifications.kind.recordingFailed',
  'deepfake_detection.completed': 'notifications.kind.deepfake',
  'notification.test': 'notifications.kind.test',
};

/** A newer server may know more kinds than this page: these keep their names. */
export function kindText(kind: string): string {
  const key = KIND_TEXTS[kind];
  return key === undefined ? kind : t(key);
}

export function isWanted(preferences: NotificationPreferences, kind: string, notifier: string): boolean {
  return !preferences.off.some((one) => one.kind === kind && one.notifier === notifier);
}

/** All that is not wanted, after one box was ticked or cleared. What a notifier that is gone was asked not to tell goes. */
export function withWish(preferences: NotificationPreferences, kind: string, notifier: string, wanted: boolean): NotificationPreferences['off'] {
  const others = preferences.off.filter((one) => (one.kind !== kind || one.notifier !== notifier) && preferences.notifiers.includes(one.notifier) && preferences.kinds.includes(one.kind));
  return wanted ? others : [...others, { kind, notifier }];
}

/** How it fared with one notifier. */
export function deliveryText(delivery: NotificationDelivery): string {
  const text = t(`notifications.state.${delivery.state}`);
  return delivery.reason === null ? text : `${text}: ${delivery.reason}`;
}
