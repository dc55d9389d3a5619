import type { en } from './en';

type FlatKey = keyof typeof en;

/** Every text, each plural form on its own. */
export type TextKey = FlatKey;

/** Texts that come as `<key>_one` and `<key>_other`. */
export type PluralKey = FlatKey extends infer K ? (K extends `${infer Stem}_other` ? Stem : never) : never;
