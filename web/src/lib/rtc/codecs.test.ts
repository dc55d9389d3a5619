import { describe, expect, it } from 'vitest';

import { askForDescriptors, forwardedCodecs, speechCodecs } from './codecs';

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
      { mimeType: 'video/H264', sdpFmtpLine: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=f4001f' },
      { mimeType: 'video/AV1', sdpFmtpLine: 'level-idx=5;profile=0;tier=0' },
      { mimeType: 'video/AV1', sdpFmtpLine: 'level-idx=5;profile=1;tier=0' },
      { mimeType: 'video/red' },
    ];
    expect(forwardedCodecs(chromium).map((one) => [one.mimeType, one.sdpFmtpLine ?? ''])).toEqual([
      ['video/VP8', ''],
      ['video/rtx', ''],
      ['video/VP9', 'profile-id=0'],
      ['video/H264', 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f'],
      ['video/H264', 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f'],
      ['video/AV1', 'level-idx=5;profile=0;tier=0'],
    ]);
  });

  it('prefer redundant speech where there is such', () => {
    const types = (names: string[]): string[] => speechCodecs(names.map((mimeType) => ({ mimeType }))).map((one) => one.mimeType);
    expect(types(['audio/opus', 'audio/red', 'audio/PCMU'])).toEqual(['audio/red', 'audio/opus']);
    expect(types(['audio/opus', 'audio/G722'])).toEqual(['audio/opus']);
  });

  it('leave out what audio seats never get', () => {
    expect(forwardedCodecs([{ mimeType: 'audio/opus' }, { mimeType: 'audio/PCMU' }])).toEqual([{ mimeType: 'audio/opus' }]);
  });

  it('ask for dependency descriptors where the browser knows them', () => {
    const uri = 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';
    const known = [
      { uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', direction: 'sendrecv' as const },
      { uri, direction: 'stopped' as const },
    ];
    let set: string[] = [];
    askForDescriptors({
      getHeaderExtensionsToNegotiate: () => known.map((one) => ({ ...one })),
      setHeaderExtensionsToNegotiate: (extensions) => (set = extensions.map((one) => one.direction)),
    });
    expect(set).toEqual(['sendrecv', 'sendrecv']);
    set = [];
    askForDescriptors({
      getHeaderExtensionsToNegotiate: () => known.slice(0, 1),
      setHeaderExtensionsToNegotiate: () => (set = ['set']),
    });
    askForDescriptors({});
    expect(set).toEqual([]);
  });
});
