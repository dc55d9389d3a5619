import { describe, expect, it } from 'vitest';
import { afterSignIn, parseRoute, readMeetingKey } from './routes';

describe('parseRoute', () => {
  it('knows the pages', () => {
    expect(parseRoute('/')).toEqual({ page: 'start' });
    expect(parseRoute('/home')).toEqual({ page: 'home' });
    expect(parseRoute('/abc-defg-hij')).toEqual({ page: 'meeting', key: 'abc-defg-hij' });
    expect(parseRoute('/mtg_abcdefghij0123456789')).toEqual({ page: 'meeting', key: 'mtg_abcdefghij0123456789' });
    expect(parseRoute('/transcripts')).toEqual({ page: 'transcripts' });
    expect(parseRoute('/nope')).toEqual({ page: 'unknown' });
    expect(parseRoute('/home/other')).toEqual({ page: 'unknown' });
  });

  it('knows what administrators look after', () => {
    expect(parseRoute('/admin')).toEqual({ page: 'admin', section: 'models' });
    expect(parseRoute('/admin/models')).toEqual({ page: 'admin', section: 'models' });
    for (const path of ['/admin/x', '/admin/models/x']) expect(parseRoute(path), path).toEqual({ page: 'unknown' });
    expect(afterSignIn('admin/models')).toBe('/admin/models');
  });

  it('knows recordings and what was shared of them', () => {
    expect(parseRoute('/recordings')).toEqual({ page: 'recordings' });
    expect(parseRoute('/recordings/rec_abcdefghij0123456789')).toEqual({ page: 'recording', id: 'rec_abcdefghij0123456789' });
    expect(parseRoute('/shared/Ab_-0123456789')).toEqual({ page: 'shared', token: 'Ab_-0123456789' });
    for (const path of ['/recordings/..', '/recordings/rec_1/2', '/shared', '/shared/a.b', '/shared/%2e%2e']) {
      expect(parseRoute(path), path).toEqual({ page: 'unknown' });
    }
  });

  it('knows reports by the id and the code of their meeting', () => {
    expect(parseRoute('/reports/mtg_abcdefghij0123456789')).toEqual({ page: 'report', id: 'mtg_abcdefghij0123456789' });
    expect(parseRoute('/reports/abc-defg-hij')).toEqual({ page: 'report', id: 'abc-defg-hij' });
    for (const path of ['/reports', '/reports/x', '/reports/abc-defg-hij/2']) expect(parseRoute(path), path).toEqual({ page: 'unknown' });
  });
});

describe('afterSignIn', () => {
  it('leads to our own pages only', () => {
    expect(afterSignIn('profile')).toBe('/profile');
    expect(afterSignIn('recordings')).toBe('/recordings');
    expect(afterSignIn('transcripts')).toBe('/transcripts');
    expect(afterSignIn('recordings/rec_abcdefghij0123456789')).toBe('/recordings/rec_abcdefghij0123456789');
    expect(afterSignIn('reports/abc-defg-hij')).toBe('/reports/abc-defg-hij');
    expect(afterSignIn('abc-defg-hij')).toBe('/abc-defg-hij');
    for (const wanted of ['', 'login', '//evil.example', 'https://evil.example/x', 'javascript:alert(1)', 'shared/Ab_-0123456789']) {
      expect(afterSignIn(wanted), wanted).toBe('/home');
    }
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
