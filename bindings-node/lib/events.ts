import type { SessionEvent } from './types.js';

/** How many events are kept for a slow reader. Beyond that, the oldest are dropped. */
const MAX_WAITING = 1000;

/** The events for one reader, from the creation of this object on. */
export class EventStream implements AsyncIterableIterator<SessionEvent> {
  #waiting: SessionEvent[] = [];
  #readers: ((result: IteratorResult<SessionEvent>) => void)[] = [];
  #ended = false;
  readonly #left: (stream: EventStream) => void;

  /** `left` is called when the reader stops. */
  constructor(left: (stream: EventStream) => void) {
    this.#left = left;
  }

  push(event: SessionEvent): void {
    const reader = this.#readers.shift();
    if (reader) {
      reader({ value: event, done: false });
      return;
    }
    this.#waiting.push(event);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
  }

  end(): void {
    this.#ended = true;
    for (const reader of this.#readers.splice(0)) reader({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<SessionEvent>> {
    const event = this.#waiting.shift();
    if (event) return Promise.resolve({ value: event, done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  return(): Promise<IteratorResult<SessionEvent>> {
    this.#left(this);
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
