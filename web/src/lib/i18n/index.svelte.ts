/** The language of the page: owns the choice and the look-up of texts; refuses to know who shows them. */

import { en } from './en';
import type { PluralKey, TextKey } from './keys';
import { zhCN } from './zh-CN';

export type Language = 'en' | 'zh-CN';
export type { PluralKey, TextKey } from './keys';
export type Values = Record<string, string | number>;

export const LANGUAGES: readonly { id: Language; name: string }[] = [
  { id: 'en', name: 'English' },
  { id: 'zh-CN', name: '简体中文' },
];

const TABLES: Record<Language, Record<TextKey, string>> = { en, 'zh-CN': zhCN };
const STORAGE_KEY = 'parley.language';

/** The best of our languages for what the browser asks for. */
export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase().split('-')[0];
    if (base === 'zh') return 'zh-CN';
    if (base === 'en') return 'en';
  }
  return 'en';
}

/** `template` with every {name} replaced. */
export function fill(template: string, values: Values | undefined): string {
  if (!values) return template;
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : String(value);
  });
}

class LanguageChoice {
  current = $state<Language>('en');

  /** Read what was chosen before, else what the browser prefers. */
  start(): void {
    const stored = localStorage.getItem(STORAGE_KEY);
    this.#apply(stored === 'en' || stored === 'zh-CN' ? stored : pickLanguage(navigator.languages));
  }

  choose(language: Language): void {
    localStorage.setItem(STORAGE_KEY, language);
    this.#apply(language);
  }

  #apply(language: Language): void {
    this.current = language;
    document.documentElement.lang = language;
  }
}

export const language = new LanguageChoice();

/** The text of `key` in the current language. Reactive where it is called in a template or a derived value. */
export function t(key: TextKey, values?: Values): string {
  return fill(TABLES[language.current][key], values);
}

/** The plural form of `key` for `count`, which also fills {count}. */
export function plural(key: PluralKey, count: number, values?: Values): string {
  const rule = new Intl.PluralRules(language.current).select(count) === 'one' ? 'one' : 'other';
  return t(`${key}_${rule}` as TextKey, { count, ...values });
}

/** True when `key` names a text; for machine codes that come from the server. */
export function hasText(key: string): key is TextKey {
  return key in en;
}
