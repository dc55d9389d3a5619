import { describe, expect, it } from 'vitest';
import { parseRoute, readMeetingKey } from './routes';

describe('parseRoute', () => {
  it('knows the pages', () => {
    expect(parseRoute('/')).toEqual({ page: 'start' });
    expect(parseRoute('/home')).toEqual({ page: 'home' });
    expect(parseRoute('/abc-defg-hij')).toEqual({ page: 'meeting', key: 'abc-defg-hij' });
    expect(parseRoute('/mtg_abcdefghij0123456789')).toEqual({ page: 'meeting', key: 'mtg_abcdefghij0123456789' });
    expect(parseRoute('/nope')).toEqual({ page: 'unknown' });
    expect(parseRoute('/home/other')).toEqual({ page: 'unknown' });
  });
});

describe('readMeetingKey', () => {
  it('reads codes as people type and paste them', () => {
    for (const text of ['abc-defg-hij', ' ABC-DEFG-HIJ ', 'abcdefghij', 'abc defg hij', 'https://meet.example/abc-defg-hij?x=1']) {
      expect(readMeetingKey(text), text).toBe('abc-defg-hij');
    }
  });

  it('refuses the rest', () => {
    for (const text of ['', 'abc', 'abc-defg-hi1', 'https://meet.example/', 'javascript:alert(1)']) {
      expect(readMeetingKey(text), text).toBeNull();
    }
  });
});
