/** Shows a notice in the page's language. */

import { toasts } from '../app/toasts.svelte';
import { t } from '../i18n/index.svelte';
import type { Notice } from '../state/notices';

export function showNotice(notice: Notice): void {
  const role = notice.roleKey ? { role: t(notice.roleKey) } : {};
  toasts.show(t(notice.key, { ...notice.values, ...role }), notice.tone);
}
