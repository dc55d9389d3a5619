/** The WebSocket under a SessionMachine: carries out what the machine decides. Owns the socket and the clock tick. */

import type { AnyClientMessage, AnyServerMessage } from '../protocol/messages';
import { parseServerMessage } from '../protocol/parse';
import { SessionMachine, type Phase } from './machine';

export interface SignalingEvents {
  message(message: AnyServerMessage): void;
  phase(phase: Phase): void;
  /** After a resume, when all missed frames were delivered. */
  settled(): void;
}

/** The machine's deadlines are seconds; a quarter of one keeps the shown count-down honest. */
const TICK_MS = 250;

export class Signaling {
  readonly #url: string;
  readonly #machine: SessionMachine;
  readonly #events: SignalingEvents;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(url: string, machine: SessionMachine, events: SignalingEvents) {
    this.#url = url;
    this.#machine = machine;
    this.#events = events;
  }

  get phase(): Phase {
    return this.#machine.phase;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#machine.tick(Date.now(), Math.random());
      this.#carryOut();
    }, TICK_MS);
    window.addEventListener('online', this.#online);
    this.#machine.start(Date.now());
    this.#carryOut();
  }

  send(message: AnyClientMessage): void {
    this.#machine.send(message, Date.now());
    this.#carryOut();
  }

  retryNow(): void {
    this.#machine.retryNow(Date.now());
    this.#carryOut();
  }

  leave(): void {
    this.#machine.leave();
    this.#carryOut();
  }

  /** Drop the socket without a word, as a broken network would; for tests through window.__parley. */
  breakSocket(): void {
    this.#socket?.close(4000, 'broken on purpose');
  }

  #online = (): void => {
    this.#machine.retryNow(Date.now());
    this.#machine.probe(Date.now());
    this.#carryOut();
  };

  #carryOut(): void {
    for (let list = this.#machine.outputs(); list.length > 0; list = this.#machine.outputs()) {
      for (const output of list) {
        switch (output.do) {
          case 'open':
            this.#open();
            break;
          case 'close':
            this.#drop();
            break;
          case 'send':
            if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(output.message));
            break;
          case 'deliver':
            this.#events.message(output.message);
            break;
          case 'settled':
            this.#events.settled();
            break;
          case 'phase':
            if (output.phase.name === 'closed') this.#stop();
            this.#events.phase(output.phase);
            break;
        }
      }
    }
  }

  #open(): void {
    this.#drop();
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      if (this.#socket !== socket) return;
      this.#machine.socketOpened(Date.now());
      this.#carryOut();
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (this.#socket !== socket || typeof event.data !== 'string') return;
      const message = parseServerMessage(event.data);
      if (!message) return;
      this.#machine.received(message, Date.now(), Math.random());
      this.#carryOut();
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#machine.socketClosed(Date.now(), Math.random());
      this.#carryOut();
    };
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(1000);
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    window.removeEventListener('online', this.#online);
  }
}
