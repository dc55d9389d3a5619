/** Sizes of files and spans of time in words, as people of a language write them; pure. */

type Unit = 'byte' | 'kilobyte' | 'megabyte' | 'gigabyte' | 'second' | 'minute' | 'hour';

function amount(value: number, unit: Unit, language: string, digits = 0): string {
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits }).format(value);
}

/** 1,234,567 → "1.2 MB". Powers of 1000 (IEC 80000-13): what file managers and disks count in. */
export function fileSize(bytes: number, language: string): string {
  const steps: readonly Unit[] = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  let value = Math.max(0, bytes);
  let at = 0;
  while (value >= 999.5 && at < steps.length - 1) {
    value /= 1000;
    at += 1;
  }
  return amount(value, steps[at] ?? 'byte', language, at > 0 && value < 99.95 ? 1 : 0);
}

/** Roughly how long: "40 sec", "7 min", "1 hr 20 min". An estimate is not worth more digits. */
export function roughSpan(seconds: number, language: string): string {
  const whole = Math.max(0, seconds);
  if (whole < 55) return amount(Math.max(5, Math.ceil(whole / 5) * 5), 'second', language);
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return amount(minutes, 'minute', language);
  const rest = minutes % 60;
  const hours = amount(Math.floor(minutes / 60), 'hour', language);
  return rest === 0 ? hours : `${hours} ${amount(rest, 'minute', language)}`;
}
