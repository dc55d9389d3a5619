/** Puts a link into the clipboard and says so. */

import { t, type TextKey } from '../i18n/index.svelte';
import { toasts } from './toasts.svelte';

export async function copyLink(url: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(url);
    toasts.show(t('toast.linkCopied'), 'good');
  } catch {
    // No clipboard without HTTPS or permission: show the link so that it can be copied by hand.
    toasts.show(url);
  }
}

/** Puts a text that is no link, and may be a secret, into the clipboard and says so; `otherwise`: what to do without one. */
export async function copyText(text: string, otherwise: TextKey = 'stream.copyByHand'): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toasts.show(t('common.copied'), 'good');
  } catch {
    toasts.show(t(otherwise));
  }
}

/** The link of a meeting on the address that the user is on; the server may not know its own name. */
export function meetingLink(code: string): string {
  return `${location.origin}/${code}`;
}
