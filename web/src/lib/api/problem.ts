/** Turns what went wrong into words for people. */

import { hasText, t } from '../i18n/index.svelte';
import { ApiError } from './client';

/** One sentence in the page's language: what happened and what to do. */
export function problemText(error: unknown): string {
  if (!(error instanceof ApiError)) return t('error.unknown', { message: String(error) });
  if (error.code === 'rate_limited' && error.retryAfterS !== null) {
    return t('error.rate_limited_for', { seconds: Math.ceil(error.retryAfterS) });
  }
  const key = `error.${error.code}`;
  if (error.code !== 'invalid_field' && hasText(key)) return t(key);
  if (error.status === 0) return t('error.network');
  if (error.status >= 500) return t('error.server');
  return t('error.unknown', { message: error.message });
}
