/**
 * What was answered in this tab to whether one's picture may be analysed, per meeting. A page that is loaded again need
 * not ask again; another tab, another person at it later, or another meeting asks.
 */

const KEY = 'parley.vision.consent';

export function keepVisionAnswer(meetingId: string, accepted: boolean): void {
  sessionStorage.setItem(KEY, `${accepted ? 'agreed' : 'declined'} ${meetingId}`);
}

/** Null where nothing was answered for this meeting. */
export function keptVisionAnswer(meetingId: string): boolean | null {
  const [answer, of] = (sessionStorage.getItem(KEY) ?? '').split(' ');
  if (of !== meetingId) return null;
  return answer === 'agreed';
}
