/**
 * Which codecs a receive seat offers: those that the server forwards (appliance/webrtc/codecs.py), nothing else.
 *
 * Chromium offers every profile it knows on every m-line: 49 seats take 290 kB of SDP, with this list 143 kB.
 */

interface Codec {
  mimeType: string;
  sdpFmtpLine?: string;
}

/**
 * Constrained baseline, main and the high profiles in packetization mode 1 (RFC 6184 §8.1, table 5). Browsers send the
 * first; programs that stream in often have nothing but the others.
 */
function isForwardedH264(parameters: string): boolean {
  const [, profile, flags] = /profile-level-id=([0-9a-f]{2})([0-9a-f]{2})/i.exec(parameters) ?? [];
  if (!parameters.includes('packetization-mode=1') || profile === undefined || flags === undefined) return false;
  const constraints = parseInt(flags, 16);
  switch (profile.toLowerCase()) {
    case '42':
      return (constraints & 0x40) !== 0;
    case '4d':
    case '64':
      return constraints === 0 || constraints === 0x0c;
    default:
      return false;
  }
}

function isForwarded({ mimeType, sdpFmtpLine = '' }: Codec): boolean {
  switch (mimeType.toLowerCase()) {
    case 'audio/opus':
    case 'audio/red':
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

/**
 * A microphone's codecs, most wanted first. RED (RFC 2198) carries each packet's sound again in the next one: what a
 * tenth of the packets lost takes away is nearly all still there, for twice the bits of speech. Firefox has none.
 */
export function speechCodecs<T extends Codec>(codecs: readonly T[]): T[] {
  const isRed = ({ mimeType }: T): boolean => mimeType.toLowerCase() === 'audio/red';
  const wanted = forwardedCodecs(codecs);
  return [...wanted.filter(isRed), ...wanted.filter((one) => !isRed(one))];
}

/** Let a microphone's m-line prefer RED; a browser that cannot be asked sends plain Opus. */
export function preferRedundancy(transceiver: RTCRtpTransceiver): void {
  const wanted = speechCodecs(RTCRtpSender.getCapabilities?.('audio')?.codecs ?? []);
  if (wanted.length > 0 && 'setCodecPreferences' in transceiver) transceiver.setCodecPreferences(wanted);
}

interface HeaderExtension {
  uri: string;
  direction: RTCRtpTransceiverDirection;
}

/** Not in TypeScript's library yet (WebRTC Extensions, §5.2); Chromium has it. */
interface ExtensionControl {
  getHeaderExtensionsToNegotiate?(): HeaderExtension[];
  setHeaderExtensionsToNegotiate?(extensions: HeaderExtension[]): void;
}

const DEPENDENCY_DESCRIPTOR = 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';

/** VP9 and AV1 in layers are decoded by it, also after some layers were left out; Chromium offers it only when asked. */
export function askForDescriptors(transceiver: ExtensionControl): void {
  const extensions = transceiver.getHeaderExtensionsToNegotiate?.() ?? [];
  const descriptor = extensions.find(({ uri }) => uri === DEPENDENCY_DESCRIPTOR);
  if (!descriptor) return;
  descriptor.direction = 'sendrecv';
  transceiver.setHeaderExtensionsToNegotiate?.(extensions);
}

/** Narrow a receiving transceiver down; a browser that cannot be asked keeps its whole offer, which works too. */
export function preferForwarded(transceiver: RTCRtpTransceiver, kind: 'audio' | 'video'): void {
  const all = RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [];
  const wanted = forwardedCodecs(all);
  if (wanted.length > 0 && 'setCodecPreferences' in transceiver) transceiver.setCodecPreferences(wanted);
  if (kind === 'video') askForDescriptors(transceiver as ExtensionControl);
}
