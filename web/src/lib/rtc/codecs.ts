/**
 * Which codecs a receive seat offers: those that the server forwards (appliance/webrtc/codecs.py), nothing else.
 *
 * Chromium offers every profile it knows on every m-line: 49 seats take 290 kB of SDP, with this list 143 kB.
 */

interface Codec {
  mimeType: string;
  sdpFmtpLine?: string;
}

/** Constrained baseline in packetization mode 1 (RFC 6184 §8.1, table 5: constraint_set1 of profile 66). */
function isForwardedH264(parameters: string): boolean {
  const profile = /profile-level-id=42([0-9a-f]{2})/i.exec(parameters)?.[1];
  return parameters.includes('packetization-mode=1') && profile !== undefined && (parseInt(profile, 16) & 0x40) !== 0;
}

function isForwarded({ mimeType, sdpFmtpLine = '' }: Codec): boolean {
  switch (mimeType.toLowerCase()) {
    case 'audio/opus':
    case 'video/vp8':
    case 'video/rtx':
      return true;
    case 'video/vp9':
      return !/profile-id=[1-9]/.test(sdpFmtpLine);
    case 'video/av1':
      return !/(^|;)\s*profile=[1-9]/.test(sdpFmtpLine);
    case 'video/h264':
      return isForwardedH264(sdpFmtpLine);
    default:
      return false;
  }
}

/** Those of `codecs` that a seat needs, in the browser's order. */
export function forwardedCodecs<T extends Codec>(codecs: readonly T[]): T[] {
  return codecs.filter(isForwarded);
}

/** Narrow a receiving transceiver down; a browser that cannot be asked keeps its whole offer, which works too. */
export function preferForwarded(transceiver: RTCRtpTransceiver, kind: 'audio' | 'video'): void {
  const all = RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [];
  const wanted = forwardedCodecs(all);
  if (wanted.length > 0 && 'setCodecPreferences' in transceiver) transceiver.setCodecPreferences(wanted);
}
