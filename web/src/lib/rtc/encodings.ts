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

/**
 * How many layers a picture is worth: the same table of libwebrtc, which gives 960×540 three, 480×270 two and less
 * one. Asking for more makes the lowest layer a stamp (80×45 of 320×180) and leaves the highest one unsent.
 */
export function layersFor(width: number, height: number): number {
  const pixels = width * height;
  if (pixels >= 960 * 540) return 3;
  return pixels >= 480 * 270 ? 2 : 1;
}

/** `settings` are the track's; a camera that does not say its size is taken for a big one. */
export function encodingsFor(source: Source, settings: MediaTrackSettings): RTCRtpEncodingParameters[] {
  switch (source) {
    case 'camera': {
      const layers = layersFor(settings.width ?? 1280, settings.height ?? 720);
      if (layers === 1) return [{ maxBitrate: 700_000 }];
      return CAMERA_ENCODINGS.slice(-layers).map((one) => ({ ...one }));
    }
    case 'screen':
      return SCREEN_ENCODINGS.map((one) => ({ ...one }));
    case 'microphone':
      return SPEECH_ENCODINGS.map((one) => ({ ...one }));
    case 'screen_audio':
      return SCREEN_SOUND_ENCODINGS.map((one) => ({ ...one }));
  }
}
