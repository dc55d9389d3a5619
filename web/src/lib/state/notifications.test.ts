import { describe, expect, it } from 'vitest';
import type { NotificationPreferences } from '../api/types.admin';
import { deliveryText, isWanted, kindText, withWish } from './notifications';

const preferences: NotificationPreferences = {
  locale: 'en', time_zone: 'UTC', kinds: ['meeting.invited', 'meeting.reminder'], notifiers: ['email', 'webhook'],
  off: [{ kind: 'meeting.reminder', notifier: 'email' }, { kind: 'meeting.reminder', notifier: 'gone' }],
};

describe('what somebody wants to be told of', () => {
  it('is everything but what was refused', () => {
    expect(isWanted(preferences, 'meeting.reminder', 'email')).toBe(false);
    expect(isWanted(preferences, 'meeting.reminder', 'webhook')).toBe(true);
  });

  it('changes box by box, and forgets notifiers that are gone', () => {
    expect(withWish(preferences, 'meeting.reminder', 'email', true)).toEqual([]);
    expect(withWish(preferences, 'meeting.invited', 'webhook', false)).toEqual([
      { kind: 'meeting.reminder', notifier: 'email' },
      { kind: 'meeting.invited', notifier: 'webhook' },
    ]);
    expect(withWish(preferences, 'meeting.reminder', 'email', false)).toHaveLength(1);
  });
});

describe('words', () => {
  it('name kinds, and leave one that is not known as it is', () => {
    expect(kindText('meeting.invited')).toBe('Invitations');
    expect(kindText('meeting.moved')).toBe('meeting.moved');
  });

  it('say why something was not sent', () => {
    const delivery = { notifier: 'email', state: 'failed', attempts: 3, reason: 'no such mailbox', changed_at: '' } as const;
    expect(deliveryText(delivery)).toBe('Not sent: no such mailbox');
    expect(deliveryText({ ...delivery, state: 'sent', reason: null })).toBe('Sent');
  });
});
