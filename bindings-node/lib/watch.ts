/** Event streams that are looked through on their way to their reader. */

import { streamOf } from './bounds.js';
import type { native } from './native.js';
import { mediaTypeOf } from './outgoing.js';
import type { Replacement } from './tool-result.js';
import { streamedAs } from './unread.js';

/** What is done about what is in a stream. */
export interface Watcher {
  /** Says what becomes of an event with this data, which may hold a challenge. */
  replace(data: string): Promise<Replacement>;
  /** What takes the place of an event that is too long, and of the rest of the stream: an answer, or its failure. */
  tooLong(): string | Error;
  /** The stream has ended. */
  over(): void;
  /** The reader has left the stream. */
  left(): void;
  /** What stops the waiting for it. */
  signal: AbortSignal | undefined;
}

/** A response whose events pass byte for byte, each when it is complete, but for what `watcher` replaces. */
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
  /** What the reader of the response reads. Nothing is read ahead. */
  readonly stream: ReadableStream<Uint8Array>;
  isRead = false;
  readonly #watcher: Watcher;
  /** What is read next; taken when that begins, so that a response that no caller reads is let go of as any other. */
  #body: ReadableStream<Uint8Array> | undefined;
  #source: Source | undefined;
  /** `undefined`: what comes was looked through before. */
  #watch: native.EventWatch | undefined;
  /** What passes before anything else. */
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

  /** A client has one signal for all of its requests: what is over leaves nothing at it. */
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
      // It has most likely failed itself.
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

  /** What passes next; `undefined` at the end. */
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

  /** The call is answered by something else, and so this stream has done its part. */
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

  /** An event is too long. Nothing of it is kept. */
  async #end(): Promise<void> {
    this.#stop();
    const answer = this.#watcher.tooLong();
    if (typeof answer !== 'string') throw answer;
    this.#parts = [asEvent(answer)];
  }

  /** Nothing more of the source is wanted. */
  #stop(): void {
    this.#body = undefined;
    void this.#source?.cancel().catch(() => {});
    this.#source = undefined;
    this.#watch = undefined;
    this.#parts = [];
  }
}

/** A JSON text as an event. */
function asEvent(json: string): native.Part {
  const lines = json.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return { bytes: Buffer.from(`${lines.join('')}\n`) };
}
