/** The six reactions and their icons. */

import HandHeart from '@lucide/svelte/icons/hand-heart';
import Heart from '@lucide/svelte/icons/heart';
import Laugh from '@lucide/svelte/icons/laugh';
import PartyPopper from '@lucide/svelte/icons/party-popper';
import ThumbsUp from '@lucide/svelte/icons/thumbs-up';
import type { Component } from 'svelte';
import type { Reaction } from '../lib/protocol/messages';
import Surprise from './SurpriseIcon.svelte';

export type ReactionName = Reaction['reaction'];

export const REACTIONS: readonly { name: ReactionName; icon: Component<{ size?: number }> }[] = [
  { name: 'thumbs_up', icon: ThumbsUp },
  { name: 'clap', icon: HandHeart },
  { name: 'heart', icon: Heart },
  { name: 'laugh', icon: Laugh },
  { name: 'surprise', icon: Surprise },
  { name: 'celebrate', icon: PartyPopper },
];

export function reactionIcon(name: string): Component<{ size?: number }> | null {
  return REACTIONS.find((one) => one.name === name)?.icon ?? null;
}
