/** Names of spoken languages as people of a language write them; pure. */

/** "en" → "English"; a tag that the browser does not know stays as it is. */
export function languageName(tag: string, language: string): string {
  return new Intl.DisplayNames([language], { type: 'language' }).of(tag) ?? tag;
}
