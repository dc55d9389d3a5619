/** Entries of a recording's menu in the list: what this user may do with it now. */

import Clapperboard from '@lucide/svelte/icons/clapperboard';
import CircleX from '@lucide/svelte/icons/circle-x';
import Download from '@lucide/svelte/icons/download';
import Layers from '@lucide/svelte/icons/layers';
import Share2 from '@lucide/svelte/icons/share-2';
import Trash2 from '@lucide/svelte/icons/trash-2';
import { files } from '../lib/api/endpoints';
import type { Recording } from '../lib/api/types';
import { router } from '../lib/app/router.svelte';
import { t } from '../lib/i18n/index.svelte';
import { canCancel, canProcess, isPlayable } from '../lib/state/recordings';
import type { MenuItem } from '../ui/Menu.svelte';
import type { RecordingDesk } from './desk.svelte';

export function menuItems(desk: RecordingDesk, recording: Recording): MenuItem[] {
  const { permissions } = recording;
  const playable = isPlayable(recording);
  const over = recording.status !== 'recording' && recording.status !== 'paused';
  return [
    ...(playable && permissions.download
      ? [{ label: t('recordings.download'), icon: Download, testid: 'recording-download', href: files.download(files.ownRecording(recording.id)), download: true }]
      : []),
    ...(recording.tracks.length > 0 && permissions.download
      ? [{ label: t('recordings.tracks'), icon: Layers, testid: 'recording-tracks', act: () => router.go(`/recordings/${recording.id}`) }]
      : []),
    ...(playable && permissions.share
      ? [{ label: t('recordings.share'), icon: Share2, testid: 'recording-share', act: () => desk.ask('share', recording) }]
      : []),
    ...(canProcess(recording)
      ? [{ label: t('recordings.processAgain'), icon: Clapperboard, testid: 'recording-process', act: () => desk.ask('process', recording) }]
      : []),
    ...(canCancel(recording)
      ? [{ label: t('recordings.cancelProcessing'), icon: CircleX, testid: 'recording-cancel', act: () => void desk.cancel(recording) }]
      : []),
    ...(over && permissions.delete
      ? [{ label: t('recordings.delete'), icon: Trash2, danger: true, testid: 'recording-delete', act: () => desk.ask('delete', recording) }]
      : []),
  ];
}
