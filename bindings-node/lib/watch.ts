/** Inspects event streams on the way to their reader. */

import { streamOf } from './bounds.js';
import type { native } from './native.js';
import { mediaTypeOf } from './outgoing.js';
import type { Replacement } from './tool-result.js';
import { streamedAs } from './unread.js';

/** Decides what happens to the events of a stream. */
export interface Watcher {
  /** Returns the replacement for an event with this data, which may hold a challenge. */
  replace(data: string): Promise<Replacement>;
  /** Returns what replaces an oversized event and the rest of the stream: a JSON-RPC message, or an error. */
  tooLong(): string | Error;
  /** The stream ended. */
  over(): void;
  /** The reader cancelled the stream. */
  left(): void;
  /** The signal of the request. */
  signal: AbortSignal | undefined;
}

/** Wraps a response so that complete events pass unchanged, except those that `watcher` replaces. */
export function watched(
  response: Response,
  body: ReadableStream<Uint8Array>,
  watch: native.EventWatch,
  watcher: Watcher,
): Response {
  const events = new WatchedEvents(body, watch, watcher);
  return streamedAs(response, () => events.isRead, events.stream);
}

type Source = ReadableStreamDefaultReader<Uint8Array>;

class WatchedEvents {
  /** The stream for the response's reader. It reads nothing ahead. */
  readonly stream: ReadableStream<Uint8Array>;
  isRead = false;
  readonly #watcher: Watcher;
  /** The body to read next. Reading locks it late, so that an unread response can be discarded as usual. */
  #body: ReadableStream<Uint8Array> | undefined;
  #source: Source | undefined;
  /** `undefined` if the source was already inspected. */
  #watch: native.EventWatch | undefined;
  /** Parts to pass on first. */
  #parts: native.Part[] = [];

  constructor(body: ReadableStream<Uint8Array>, watch: native.EventWatch, watcher: Watcher) {
    this.#body = body;
    this.#watch = watch;
    this.#watcher = watcher;
    watcher.signal?.addEventListener('abort', this.#over);
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: (reason) => this.#leave(reason),
      },
      { highWaterMark: 0 },
    );
  }

  /** Removes the listener: a client may use one signal for all its requests. */
  readonly #over = () => {
    this.#watcher.signal?.removeEventListener('abort', this.#over);
    this.#watcher.over();
  };

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.isRead = true;
    try {
      const bytes = await this.#next();
      if (bytes) return controller.enqueue(bytes);
      controller.close();
    } catch (error) {
      controller.error(error);
      // The source has most likely failed itself.
      void this.#source?.cancel(error).catch(() => {});
    }
    this.#over();
  }

  async #leave(reason: unknown): Promise<void> {
    this.isRead = true;
    this.#watcher.left();
    this.#over();
    await this.#reader()?.cancel(reason);
  }

  #reader(): Source | undefined {
    if (this.#body) this.#source = streamOf(this.#body).getReader();
    this.#body = undefined;
    return this.#source;
  }

  /** Returns the next bytes to pass on; `undefined` at the end. */
  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const part = this.#parts.shift();
      if (part) {
        const replacement = part.suspect == null ? undefined : await this.#watcher.replace(part.suspect);
        if (replacement === undefined) return part.bytes;
        await this.#goOnWith(replacement);
        continue;
      }
      const { done, value } = (await this.#reader()?.read()) ?? { done: true };
      if (done) {
        this.#source = undefined;
        this.#parts = this.#watch?.finish() ?? [];
        this.#watch = undefined;
        if (this.#parts.length === 0) return undefined;
        continue;
      }
      if (!ArrayBuffer.isView(value)) throw new TypeError('the body of a response must be a stream of bytes');
      const passed = this.#watch ? this.#watch.push(value) : null;
      if (passed === null) return value;
      if (typeof passed === 'string') await this.#end();
      else this.#parts = passed;
    }
  }

  /** Continues with the replacement, and drops the rest of the original stream. */
  async #goOnWith(replacement: Response | string): Promise<void> {
    this.#stop();
    if (typeof replacement === 'string') {
      this.#parts = [asEvent(replacement)];
    } else if (mediaTypeOf(replacement) === 'text/event-stream' && replacement.body) {
      this.#body = replacement.body;
    } else {
      this.#parts = [asEvent(await replacement.text())];
    }
  }

  /** Ends the stream after an oversized event, which is dropped. */
  async #end(): Promise<void> {
    this.#stop();
    const answer = this.#watcher.tooLong();
    if (typeof answer !== 'string') throw answer;
    this.#parts = [asEvent(answer)];
  }

  /** Cancels the source. */
  #stop(): void {
    this.#body = undefined;
    void this.#source?.cancel().catch(() => {});
    this.#source = undefined;
    this.#watch = undefined;
    this.#parts = [];
  }
}

/** Formats JSON text as an event. */
function asEvent(json: string): native.Part {
  const lines = json.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return { bytes: Buffer.from(`${lines.join('')}\n`) };
}
