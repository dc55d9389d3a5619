import { describe, expect, it } from 'vitest';
import { duration, fromInputs, toInputs } from './times';

describe('duration', () => {
  it('shows hours only when there are some', () => {
    expect(duration(75_000)).toBe('1:15');
    expect(duration(3_605_000)).toBe('1:00:05');
    expect(duration(-5)).toBe('0:00');
  });
});

describe('inputs', () => {
  it('come back as the same minute', () => {
    const at = new Date(2026, 2, 9, 8, 5).getTime();
    const { date, time } = toInputs(at);
    expect([date, time]).toEqual(['2026-03-09', '08:05']);
    expect(fromInputs(date, time)).toBe(at);
  });
});
