import { describe, expect, it } from 'vitest';
import { en } from './en';
import { fill, pickLanguage } from './index.svelte';
import { zhCN } from './zh-CN';

const places = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '').sort();

describe('texts', () => {
  it('has every key in both languages and nothing else', () => {
    expect(Object.keys(zhCN).sort()).toEqual(Object.keys(en).sort());
  });

  it('fills the same places in both languages', () => {
    for (const [key, text] of Object.entries(en)) {
      expect(places(zhCN[key as keyof typeof en]), key).toEqual(places(text));
    }
  });

  it('leaves no text empty', () => {
    for (const [key, text] of [...Object.entries(en), ...Object.entries(zhCN)]) {
      expect(text.trim(), key).not.toBe('');
    }
  });

  it('writes Chinese in Chinese', () => {
    const same = Object.entries(en).filter(([key, text]) => zhCN[key as keyof typeof en] === text);
    expect(same.map(([key]) => key)).toEqual(['home.joinPlaceholder']);
  });

  it('has both plural forms', () => {
    for (const key of Object.keys(en).filter((name) => name.endsWith('_one'))) {
      expect(Object.keys(en)).toContain(key.replace(/_one$/, '_other'));
    }
  });
});

describe('fill', () => {
  it('replaces names and leaves unknown ones', () => {
    expect(fill('{name}: {what} {other}', { name: 'Ada', what: 1 })).toBe('Ada: 1 {other}');
  });
});

describe('pickLanguage', () => {
  it('takes the first language we have', () => {
    expect(pickLanguage(['de-DE', 'zh-TW', 'en'])).toBe('zh-CN');
    expect(pickLanguage(['fr', 'en-GB'])).toBe('en');
    expect(pickLanguage(['fr'])).toBe('en');
  });
});
