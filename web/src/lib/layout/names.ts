/** How a name is shown where there is no picture; pure. */

/** One or two letters: the first of the first and last word; of a CJK name the last character. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = [...(words[0] ?? '')];
  if (first.length === 0) return '?';
  if (/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/.test(first[0] ?? '')) return first.at(-1) ?? '?';
  const last = words.length > 1 ? [...(words.at(-1) ?? '')][0] : '';
  return `${first[0] ?? ''}${last ?? ''}`.toUpperCase();
}

/** A hue that is the same for the same name everywhere; 0 to 359. */
export function avatarHue(name: string): number {
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return hash;
}
