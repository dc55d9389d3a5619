import { describe, expect, it } from 'vitest';
import { parseServerMessage } from './parse';

describe('parseServerMessage', () => {
  it('reads a known message and passes over the rest', () => {
    expect(parseServerMessage('{"type":"heartbeat","server_time_ms":1}')).toEqual({ type: 'heartbeat', server_time_ms: 1 });
    expect(parseServerMessage('{"type":"of-tomorrow"}')).toBeNull();
    expect(parseServerMessage('[1]')).toBeNull();
    expect(parseServerMessage('{"type":7}')).toBeNull();
  });
});
