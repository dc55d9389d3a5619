import { describe, expect, it } from 'vitest';
import { fileSize, roughSpan } from './sizes';

/** ICU writes some spaces as no-break spaces. */
const plain = (text: string): string => text.replace(/\s/gu, ' ');

describe('fileSize', () => {
  it('shows one digit behind the point while it says something', () => {
    expect([0, 999, 1_234, 45_600_000, 123_456_789, 2_500_000_000].map((size) => plain(fileSize(size, 'en')))).toEqual([
      '0 byte', '999 byte', '1.2 kB', '45.6 MB', '123 MB', '2.5 GB',
    ]);
  });

  it('never writes a thousand of a unit', () => {
    expect(plain(fileSize(999_700, 'en'))).toBe('1 MB');
  });
});

describe('roughSpan', () => {
  it('is as coarse as an estimate', () => {
    expect([0, 12, 54, 58, 430, 3_600, 4_790].map((span) => plain(roughSpan(span, 'en')))).toEqual([
      '5 sec', '15 sec', '55 sec', '1 min', '7 min', '1 hr', '1 hr 20 min',
    ]);
    expect(plain(roughSpan(430, 'zh-CN'))).toBe('7分钟');
  });
});
