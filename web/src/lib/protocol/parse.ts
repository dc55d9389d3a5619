/** Reads server frames. The server is trusted for shapes; what a newer server adds is passed over. */

import { SERVER_TYPES, type AnyServerMessage } from './messages';

const known = new Set(SERVER_TYPES);

/** The message in a frame, or null when it is of a type that this page does not know. */
export function parseServerMessage(frame: string): AnyServerMessage | null {
  const value: unknown = JSON.parse(frame);
  if (typeof value !== 'object' || value === null || !('type' in value)) return null;
  return typeof value.type === 'string' && known.has(value.type) ? (value as AnyServerMessage) : null;
}
