/** What the captions button and its key do, and what is said of captions in words. */

import { toasts } from '../lib/app/toasts.svelte';
import { clock } from '../lib/app/times';
import { hasText, language, t, type TextKey } from '../lib/i18n/index.svelte';
import type { CaptionsState } from '../lib/protocol/messages';
import type { RoomSession } from '../lib/session/room-session.svelte';
import type { RoomUi } from '../lib/session/room-ui.svelte';
import { offersCaptions } from '../lib/state/room';

/** Show or hide them for oneself; while the meeting has none, the dialog says who can change that, or changes it. */
export function pressCaptions(session: RoomSession, ui: RoomUi): void {
  if (!offersCaptions(session.view)) return;
  if (!session.view.captions?.on) {
    ui.open('captions');
    return;
  }
  const { preferences } = session.captions;
  const shown = !preferences.current.shown;
  preferences.change({ shown });
  // Between two phrases nothing else on the screen would change.
  toasts.show(t(shown ? 'toast.captionsShown' : 'toast.captionsHidden'));
}

/** Where it would stay empty for good there is no way to it. */
export function offersTranscript(session: RoomSession): boolean {
  return offersCaptions(session.view) || session.captions.board.finals.length > 0;
}

/** Why captions do not go as they should, or null. */
export function captionsTrouble(state: CaptionsState): TextKey | null {
  if (state.reason === null) return state.available ? null : 'captions.why.other';
  const key = `captions.why.${state.reason}`;
  return hasText(key) ? key : 'captions.why.other';
}

/** That captions are on, who switched them on and when, and who else than this server gets what is said. */
export function captionsTold(state: CaptionsState): string {
  const told =
    state.by_name === null || state.since_ms === null
      ? t('captions.told')
      : t('captions.toldSince', { name: state.by_name, time: clock(state.since_ms, language.current) });
  return state.report_at === null ? told : `${told} ${transcriptKept(state)}`;
}

/** What becomes of the transcript. */
export function transcriptKept(state: CaptionsState): string {
  if (!state.transcript) return t('captions.notKept');
  return state.report_at === null ? t('captions.kept') : t('captions.keptAndSent', { host: state.report_at });
}
