/** What the user has open in the room. Owns panels, layout and pins; refuses to know the session. */

import type { VideoSource } from '../protocol/messages';

export type Panel = 'alerts' | 'chat' | 'people' | 'transcript';
export type RoomDialog = 'captions' | 'settings' | 'statistics' | 'shortcuts' | 'stream' | 'stop-recording' | 'vision';
export type Layout = 'grid' | 'speaker';
export type Corner = 'top-left' | 'top-right' | 'bottom-left' | 'bottom-right';

const LAYOUT_KEY = 'parley.layout';

export class RoomUi {
  panel = $state<Panel | null>(null);
  dialog = $state<RoomDialog | null>(null);
  layout = $state<Layout>(localStorage.getItem(LAYOUT_KEY) === 'speaker' ? 'speaker' : 'grid');
  pinned = $state.raw<{ participantId: string; source: VideoSource } | null>(null);
  page = $state(0);
  /** Pages of tiles; what lies on the stage keeps clear of their buttons. */
  pages = $state(1);
  selfHidden = $state(false);
  selfCorner = $state<Corner>('bottom-right');
  /** Text that was typed and not sent; it outlives the panel. */
  draft = $state('');

  toggle(panel: Panel): void {
    this.panel = this.panel === panel ? null : panel;
  }

  open(dialog: RoomDialog): void {
    this.dialog = dialog;
  }

  toggleLayout(): void {
    this.layout = this.layout === 'grid' ? 'speaker' : 'grid';
    localStorage.setItem(LAYOUT_KEY, this.layout);
  }

  isPinned(participantId: string, source: VideoSource): boolean {
    return this.pinned?.participantId === participantId && this.pinned.source === source;
  }

  togglePin(participantId: string, source: VideoSource): void {
    this.pinned = this.isPinned(participantId, source) ? null : { participantId, source };
  }
}
