/** Entries of the "More" menu. On narrow screens it also holds what the bar has no room for. */

import Activity from '@lucide/svelte/icons/activity';
import Captions from '@lucide/svelte/icons/captions';
import FileText from '@lucide/svelte/icons/file-text';
import FlipHorizontal from '@lucide/svelte/icons/flip-horizontal-2';
import Hand from '@lucide/svelte/icons/hand';
import Keyboard from '@lucide/svelte/icons/keyboard';
import LayoutGrid from '@lucide/svelte/icons/layout-grid';
import Maximize from '@lucide/svelte/icons/maximize';
import MonitorUp from '@lucide/svelte/icons/monitor-up';
import RadioTower from '@lucide/svelte/icons/radio-tower';
import ScanFace from '@lucide/svelte/icons/scan-face';
import Settings from '@lucide/svelte/icons/settings-2';
import ShieldAlert from '@lucide/svelte/icons/shield-alert';
import UserRound from '@lucide/svelte/icons/user-round';
import Users from '@lucide/svelte/icons/users';
import { t } from '../lib/i18n/index.svelte';
import type { RoomSession } from '../lib/session/room-session.svelte';
import type { RoomUi } from '../lib/session/room-ui.svelte';
import { mayModerate, offersCaptions } from '../lib/state/room';
import { offersVision } from '../lib/state/vision';
import type { MenuItem } from '../ui/Menu.svelte';
import { offersTranscript, pressCaptions } from './captions-action';
import { REACTIONS } from './reactions';
import { recordingItems } from './recording-items';

function toggleFullScreen(): void {
  if (document.fullscreenElement) void document.exitFullscreen();
  else void document.documentElement.requestFullscreen();
}

export function moreItems(session: RoomSession, ui: RoomUi, narrow: boolean, canShare: boolean): MenuItem[] {
  const { devices } = session;
  const handUp = (session.me?.hand_raised_at_ms ?? null) !== null;
  const squeezed: MenuItem[] = [
    ...(canShare
      ? [{ label: t(devices.screen ? 'room.stopShare' : 'room.share'), icon: MonitorUp, testid: 'share-toggle', act: () => void session.toggleShare() }]
      : []),
    { label: t(handUp ? 'room.lowerHand' : 'room.raiseHand'), icon: Hand, testid: 'hand-toggle', act: () => session.setHand(!handUp) },
    ...REACTIONS.slice(0, 3).map((one) => ({
      label: t(`reaction.${one.name}`),
      icon: one.icon,
      testid: `reaction-${one.name}`,
      act: () => session.react(one.name),
    })),
    { label: t('room.people'), icon: Users, testid: 'people-toggle', act: () => ui.toggle('people') },
    {
      label: `${t('room.layout')}: ${t(ui.layout === 'grid' ? 'room.layoutSpeaker' : 'room.layoutGrid')}`,
      icon: LayoutGrid,
      testid: 'layout-toggle',
      act: () => ui.toggleLayout(),
    },
  ];
  const captionsOn = session.view.captions?.on === true;
  const captionsShown = session.captions.preferences.current.shown;
  const captions: MenuItem[] = [
    ...(narrow && captionsOn
      ? [{ label: t(captionsShown ? 'captions.hide' : 'captions.show'), icon: Captions, testid: 'captions-toggle', act: () => pressCaptions(session, ui) }]
      : []),
    ...(offersCaptions(session.view)
      ? [{ label: t('captions.title'), icon: Settings, testid: 'captions-open', act: () => ui.open('captions') }]
      : []),
    ...(offersTranscript(session)
      ? [{ label: t('transcript.title'), icon: FileText, testid: 'transcript-toggle', act: () => ui.toggle('transcript') }]
      : []),
  ];
  const { alerts } = session.vision.board;
  const vision: MenuItem[] = [
    ...(offersVision(session.view)
      ? [{ label: t('vision.title'), icon: ScanFace, testid: 'vision-open', act: () => ui.open('vision') }]
      : []),
    ...(mayModerate(session.me) && (session.view.vision?.deepfake.on || alerts.length > 0)
      ? [{ label: alerts.length > 0 ? `${t('alert.title')} (${alerts.length})` : t('alert.title'), icon: ShieldAlert, testid: 'alerts-toggle', act: () => ui.toggle('alerts') }]
      : []),
  ];
  return [
    ...(narrow ? squeezed : []),
    ...recordingItems(session, ui),
    ...captions,
    ...vision,
    { label: t('room.settings'), icon: Settings, testid: 'settings-open', act: () => ui.open('settings') },
    { label: t('room.statistics'), icon: Activity, testid: 'statistics-menu', act: () => ui.open('statistics') },
    { label: t('room.stream'), icon: RadioTower, testid: 'stream-open', act: () => ui.open('stream') },
    {
      label: t(ui.selfHidden ? 'room.showSelf' : 'room.hideSelf'),
      icon: UserRound,
      testid: 'self-hide',
      act: () => (ui.selfHidden = !ui.selfHidden),
    },
    { label: t('room.mirror'), icon: FlipHorizontal, testid: 'mirror-toggle', act: () => devices.setMirror(!devices.mirror) },
    ...(document.fullscreenEnabled
      ? [{ label: t(document.fullscreenElement ? 'room.exitFullScreen' : 'room.fullScreen'), icon: Maximize, testid: 'full-screen', act: toggleFullScreen }]
      : []),
    { label: t('room.shortcuts'), icon: Keyboard, testid: 'shortcuts-open', act: () => ui.open('shortcuts') },
  ];
}
