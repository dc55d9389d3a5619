import { describe, expect, it } from 'vitest';

import { forwardedCodecs } from './codecs';

describe('codecs of a seat', () => {
  it('are those that the server forwards', () => {
    const chromium = [
      { mimeType: 'video/VP8' },
      { mimeType: 'video/rtx' },
      { mimeType: 'video/VP9', sdpFmtpLine: 'profile-id=0' },
      { mimeType: 'video/VP9', sdpFmtpLine: 'profile-id=2' },
      { mimeType: 'video/H264', sdpFmtpLine: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f' },
      { mimeType: 'video/H264', sdpFmtpLine: 'level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f' },
      { mimeType: 'video/H264', sdpFmtpLine: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f' },
      { mimeType: 'video/H264', sdpFmtpLine: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f' },
      { mimeType: 'video/AV1', sdpFmtpLine: 'level-idx=5;profile=0;tier=0' },
      { mimeType: 'video/AV1', sdpFmtpLine: 'level-idx=5;profile=1;tier=0' },
      { mimeType: 'video/red' },
    ];
    expect(forwardedCodecs(chromium).map((one) => [one.mimeType, one.sdpFmtpLine ?? ''])).toEqual([
      ['video/VP8', ''],
      ['video/rtx', ''],
      ['video/VP9', 'profile-id=0'],
      ['video/H264', 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f'],
      ['video/AV1', 'level-idx=5;profile=0;tier=0'],
    ]);
  });

  it('leave out what audio seats never get', () => {
    expect(forwardedCodecs([{ mimeType: 'audio/opus' }, { mimeType: 'audio/PCMU' }])).toEqual([{ mimeType: 'audio/opus' }]);
  });
});
