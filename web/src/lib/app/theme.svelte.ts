/** Light or dark. Owns the choice; the room is dark unless the user chose otherwise there. */

export type ThemeChoice = 'system' | 'light' | 'dark';
export type Theme = 'light' | 'dark';

const PAGE_KEY = 'parley.theme';
const ROOM_KEY = 'parley.theme.room';

function read(key: string, otherwise: ThemeChoice): ThemeChoice {
  const held = localStorage.getItem(key);
  return held === 'light' || held === 'dark' || held === 'system' ? held : otherwise;
}

class ThemeState {
  choice = $state<ThemeChoice>('system');
  roomChoice = $state<ThemeChoice>('dark');
  inRoom = $state(false);
  #systemDark = $state(false);
  current: Theme = $derived.by(() => {
    const choice = this.inRoom ? this.roomChoice : this.choice;
    return choice === 'system' ? (this.#systemDark ? 'dark' : 'light') : choice;
  });

  start(): void {
    this.choice = read(PAGE_KEY, 'system');
    this.roomChoice = read(ROOM_KEY, 'dark');
    const query = matchMedia('(prefers-color-scheme: dark)');
    this.#systemDark = query.matches;
    query.addEventListener('change', (event) => (this.#systemDark = event.matches));
  }

  choose(choice: ThemeChoice): void {
    this.choice = choice;
    localStorage.setItem(PAGE_KEY, choice);
  }

  toggle(): void {
    const next = this.current === 'dark' ? 'light' : 'dark';
    if (!this.inRoom) {
      this.choose(next);
      return;
    }
    this.roomChoice = next;
    localStorage.setItem(ROOM_KEY, next);
  }
}

export const theme = new ThemeState();
