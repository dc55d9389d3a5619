/**
 * Which encodings of a sender are on. The server says which layers of a picture somebody watches (`publish_layers`).
 *
 * Owns the order of changes to a sender's parameters: a second change that begins before the first one is through is
 * refused by browsers (WebRTC §5.2, `InvalidStateError`: the transaction is over), so they wait for each other.
 */

import type { PublishLayer } from '../protocol/messages';

const changing = new WeakMap<RTCRtpSender, Promise<void>>();

/** Change a sender's parameters after every change that was asked for before. */
export function changeParameters(sender: RTCRtpSender, change: (parameters: RTCRtpSendParameters) => void): Promise<void> {
  const before = changing.get(sender) ?? Promise.resolve();
  const mine = before.then(async () => {
    const parameters = sender.getParameters();
    change(parameters);
    await sender.setParameters(parameters);
  });
  changing.set(
    sender,
    mine.catch(() => undefined),
  );
  return mine;
}

/** Switch encodings as `layers` say; an encoding that is not named stays as it is. */
export function activate(encodings: readonly RTCRtpEncodingParameters[], layers: readonly PublishLayer[]): void {
  for (const { rid, active } of layers) {
    for (const encoding of encodings) if (rid === null || encoding.rid === rid) encoding.active = active;
  }
}

/** Every encoding on. */
export function activateAll(encodings: readonly RTCRtpEncodingParameters[]): void {
  for (const encoding of encodings) encoding.active = true;
}
