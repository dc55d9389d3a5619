/** What hosts and co-hosts may do about the recording, as entries of a menu. */

import CircleDot from '@lucide/svelte/icons/circle-dot';
import CircleStop from '@lucide/svelte/icons/circle-stop';
import Pause from '@lucide/svelte/icons/pause';
import Play from '@lucide/svelte/icons/play';
import { t } from '../lib/i18n/index.svelte';
import type { RoomSession } from '../lib/session/room-session.svelte';
import type { RoomUi } from '../lib/session/room-ui.svelte';
import { mayModerate } from '../lib/state/room';
import type { MenuItem } from '../ui/Menu.svelte';

/** Empty for everybody else. */
export function recordingItems(session: RoomSession, ui: RoomUi): MenuItem[] {
  if (!mayModerate(session.me)) return [];
  const control = session.recording;
  const { recording } = session.view;
  if (recording === null) {
    return [{ label: t('recording.start'), icon: CircleDot, testid: 'recording-start', act: () => void control.start() }];
  }
  return [
    recording.state === 'paused'
      ? { label: t('recording.resume'), icon: Play, testid: 'recording-resume', act: () => void control.resume() }
      : { label: t('recording.pause'), icon: Pause, testid: 'recording-pause', act: () => void control.pause() },
    { label: t('recording.stop'), icon: CircleStop, danger: true, testid: 'recording-stop', act: () => ui.open('stop-recording') },
  ];
}
