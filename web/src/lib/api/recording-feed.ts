/**
 * Recordings as they change: the server-sent events of /recordings/progress.
 *
 * Owns the stream: opened while the page is seen, opened again after an end, given up quietly while it fails, so that
 * pages ask by themselves meanwhile. Read with fetch and not with EventSource, which tells neither a lost session from
 * a lost network nor lets anybody renew it. Refuses to know what a page does with what it hears.
 */

import type { Recording } from './types';

export interface FeedEvents {
  changed(recording: Recording): void;
  removed(id: string): void;
  /** The stream is open or not: what happened before it was open was not told. */
  live(open: boolean): void;
}

/** The server ends each stream after two minutes; the next one is opened at once. */
const AFTER_END_MS = 500;
/** After a refusal or a broken line; pages ask by themselves meanwhile. */
const AFTER_FAILURE_MS = 20_000;
/** The server says something each 15 s. */
const SILENCE_MS = 40_000;

/** One event of a stream. */
export interface StreamEvent {
  readonly type: string;
  readonly data: string;
}

/** Whole events at the front of `text`, and what is left of it (HTML, section 9.2.6; the server ends lines with LF). */
export function parseEvents(text: string): { events: StreamEvent[]; rest: string } {
  const blocks = text.split('\n\n');
  const rest = blocks.pop() ?? '';
  const events: StreamEvent[] = [];
  for (const block of blocks) {
    let type = 'message';
    const data: string[] = [];
    for (const line of block.split('\n')) {
      const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (field === 'event') type = value ?? '';
      else if (field === 'data') data.push(value ?? '');
    }
    if (data.length > 0) events.push({ type, data: data.join('\n') });
  }
  return { events, rest };
}

/** Follow while somebody looks at the page: a browser has six connections to a server, for all of its tabs. */
export function followWhileSeen(feed: RecordingFeed): () => void {
  const look = (): void => (document.visibilityState === 'visible' ? feed.start() : feed.stop());
  look();
  document.addEventListener('visibilitychange', look);
  return () => {
    document.removeEventListener('visibilitychange', look);
    feed.stop();
  };
}

export class RecordingFeed {
  readonly #events: FeedEvents;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(events: FeedEvents) {
    this.#events = events;
  }

  /** Follow until `stop`; nothing happens when it does already. */
  start(): void {
    if (this.#abort === null && this.#timer === null) void this.#follow();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#abort?.abort();
    this.#abort = null;
  }

  async #follow(): Promise<void> {
    const abort = (this.#abort = new AbortController());
    let waitMs = AFTER_FAILURE_MS;
    try {
      const response = await fetch('/api/v1/recordings/progress', {
        headers: { Accept: 'text/event-stream' }, credentials: 'same-origin', cache: 'no-store', signal: abort.signal,
      });
      if (response.ok && response.body !== null) {
        this.#events.live(true);
        await this.#read(response.body, abort);
        waitMs = AFTER_END_MS;
      } else {
        await response.body?.cancel();
      }
    } catch (error) {
      // The network, or our own end; whatever else is a mistake of this page.
      if (!(error instanceof TypeError) && !abort.signal.aborted) throw error;
    } finally {
      this.#events.live(false);
      // Stopped, or stopped and started anew: then somebody else follows.
      if (this.#abort === abort) {
        this.#abort = null;
        this.#timer = setTimeout(() => {
          this.#timer = null;
          void this.#follow();
        }, waitMs);
      }
    }
  }

  async #read(body: ReadableStream<Uint8Array>, abort: AbortController): Promise<void> {
    const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
    let text = '';
    for (;;) {
      const silence = setTimeout(() => abort.abort(), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(silence));
      if (done) return;
      const { events, rest } = parseEvents(text + value);
      text = rest;
      for (const event of events) this.#tell(event);
    }
  }

  #tell(event: StreamEvent): void {
    if (event.type === 'recording') this.#events.changed(JSON.parse(event.data) as Recording);
    else if (event.type === 'removed') this.#events.removed((JSON.parse(event.data) as { id: string }).id);
  }
}
