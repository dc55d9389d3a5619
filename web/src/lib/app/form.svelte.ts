/** The state of one form: busy, and what is wrong where. */

import { ApiError } from '../api/client';
import { problemText } from '../api/problem';
import { hasText, t } from '../i18n/index.svelte';

/** Machine codes that speak of a field without naming it. */
const FIELD_OF_CODE: Record<string, string> = {
  username_taken: 'username',
  email_taken: 'email',
  passcode_required: 'passcode',
  passcode_wrong: 'passcode',
  name_required: 'name',
};

export class FormState {
  busy = $state(false);
  /** What is wrong with the whole, not with one field. */
  problem = $state<string | null>(null);
  errors = $state<Record<string, string>>({});
  readonly #fields: ReadonlySet<string>;

  constructor(fields: readonly string[]) {
    this.#fields = new Set(fields);
  }

  /** False and marked when a field is empty. */
  require(values: Record<string, string>): boolean {
    this.problem = null;
    const empty = Object.entries(values).filter(([, value]) => value.trim() === '');
    this.errors = Object.fromEntries(empty.map(([name]) => [name, t('error.required')]));
    return empty.length === 0;
  }

  clear(name: string): void {
    if (this.errors[name]) this.errors = Object.fromEntries(Object.entries(this.errors).filter(([key]) => key !== name));
    this.problem = null;
  }

  fail(name: string, text: string): void {
    this.errors = { ...this.errors, [name]: text };
  }

  /** Runs `work` once at a time; what the server finds wrong lands at its field. True when it went well. */
  async submit(work: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.problem = null;
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#place(error);
      return false;
    } finally {
      this.busy = false;
    }
  }

  #place(error: ApiError): void {
    const field = FIELD_OF_CODE[error.code] ?? error.field ?? '';
    if (this.#fields.has(field)) {
      const key = `error.${error.code}`;
      const known = error.code !== 'invalid_field' && hasText(key) ? t(key) : error.message;
      this.errors = { ...this.errors, [field]: known };
    } else {
      this.problem = problemText(error);
    }
  }
}
