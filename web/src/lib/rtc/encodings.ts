/** How the sources are encoded; constants only. */

import type { Source } from '../protocol/messages';

/**
 * Camera layers, lowest first, as the server's answer expects them. Bit rates are libwebrtc's own simulcast table
 * (video/config/simulcast.cc: 320×180 200 kb/s, 640×360 700 kb/s, 1280×720 2.5 Mb/s at most).
 */
export const CAMERA_ENCODINGS: RTCRtpEncodingParameters[] = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 200_000 },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 700_000 },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 2_500_000 },
];

/** One layer: text must stay sharp, so the rate of pictures gives way first. 1080p text needs about 2.5 Mb/s. */
export const SCREEN_ENCODINGS: RTCRtpEncodingParameters[] = [{ maxBitrate: 2_500_000, maxFramerate: 30 }];

/** Speech in Opus is transparent from 32 kb/s on; the sound of a shared screen is music as often as not. */
export const SPEECH_ENCODINGS: RTCRtpEncodingParameters[] = [{ maxBitrate: 48_000 }];
export const SCREEN_SOUND_ENCODINGS: RTCRtpEncodingParameters[] = [{ maxBitrate: 128_000 }];

export function encodingsFor(source: Source): RTCRtpEncodingParameters[] {
  switch (source) {
    case 'camera':
      return CAMERA_ENCODINGS.map((one) => ({ ...one }));
    case 'screen':
      return SCREEN_ENCODINGS.map((one) => ({ ...one }));
    case 'microphone':
      return SPEECH_ENCODINGS.map((one) => ({ ...one }));
    case 'screen_audio':
      return SCREEN_SOUND_ENCODINGS.map((one) => ({ ...one }));
  }
}
