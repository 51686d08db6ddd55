/** Event streams that are looked through on their way to their reader. */

import { MAX_ANSWER, streamOf } from './bounds.js';
import { mediaTypeOf } from './outgoing.js';
import { mentionsChallenge, type Replacement } from './tool-result.js';
import { like } from './unread.js';

/** What is done about what is in a stream. */
export interface Watcher {
  /** Says what becomes of an event that mentions a challenge. */
  replace: ((data: string) => Promise<Replacement>) | undefined;
  /** What takes the place of an event that is too long, and of the rest of the stream: an answer, or its failure. */
  answerTooLong(): string | Error;
  /** The reader has left the stream. */
  over(): void;
}

/** A response whose events pass byte for byte, each when it is complete, but for what `watcher` replaces. */
export function withWatchedEvents(response: Response, watcher: Watcher): Response {
  const cut = new EventCutter();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
    async transform(chunk, controller) {
      for (let at = 0; at < chunk.length && !cut.isOver; at += MAX_ANSWER) {
        const events = cut.take(chunk.subarray(at, at + MAX_ANSWER));
        if (events && !(await pass(events, controller, watcher))) return cut.end();
        if (cut.isTooLong) end(cut, controller, watcher);
      }
    },
    async flush(controller) {
      await pass(cut.rest(), controller, watcher);
    },
  });
  // It tells the reader of the stream how it ended.
  if (response.body) streamOf(response.body).pipeTo(writable).then(watcher.over, watcher.over);
  return like(response, new Response(readable, response));
}

/** Ends a stream at an event that is too long: its source is cancelled, and nothing of it is kept. */
function end(cut: EventCutter, controller: TransformStreamDefaultController<Uint8Array>, watcher: Watcher): void {
  cut.end();
  const answer = watcher.answerTooLong();
  if (typeof answer !== 'string') throw answer;
  controller.enqueue(asEvent(answer));
  controller.terminate();
}

/** Passes events on; `false` when one of them ended the stream. */
async function pass(
  events: Buffer,
  controller: TransformStreamDefaultController<Uint8Array>,
  { replace }: Watcher,
): Promise<boolean> {
  if (!replace || !mentionsChallenge(events)) {
    if (events.length > 0) controller.enqueue(events);
    return true;
  }
  for (const event of oneByOne(events)) {
    const replacement = mentionsChallenge(event) ? await replace(dataOf(event)) : undefined;
    if (replacement === undefined) {
      controller.enqueue(event);
      continue;
    }
    for await (const bytes of instead(replacement)) controller.enqueue(bytes);
    // The call is answered, and so this stream has done its part.
    controller.terminate();
    return false;
  }
  return true;
}

async function* instead(replacement: Response | string): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof replacement === 'string') {
    yield asEvent(replacement);
  } else if (mediaTypeOf(replacement) === 'text/event-stream' && replacement.body) {
    yield* replacement.body;
  } else {
    yield asEvent(await replacement.text());
  }
}

/** A JSON text as an event. */
function asEvent(json: string): Uint8Array {
  const lines = json.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return Buffer.from(`${lines.join('')}\n`);
}

/** The data of an event. */
function dataOf(event: Buffer): string {
  const lines = event.toString().split(/\r\n|\r|\n/);
  const data = lines.filter((line) => line.startsWith('data:'));
  return data.map((line) => line.slice('data:'.length).replace(/^ /, '')).join('\n');
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** Cuts the bytes of a stream where events end: with a line end that follows another. */
class EventCutter {
  /** An event is longer than is read. */
  isTooLong = false;
  /** Nothing more of it is wanted. */
  isOver = false;
  /** Of the event that is not complete. */
  #pieces: Uint8Array[] = [];
  #length = 0;
  /** The last two bytes of those, before whatever comes next. */
  #last: [number | undefined, number | undefined] = [undefined, undefined];

  /** Takes a chunk in, and gives the events that are complete with it, if any are. */
  take(chunk: Uint8Array): Buffer | undefined {
    const end = this.#lastEnd(chunk);
    const before = this.#last;
    const byte = (at: number) => (at >= 0 ? chunk[at] : before[at + 2]);
    this.#last = [byte(chunk.length - 2), byte(chunk.length - 1)];
    const first = end === 0 ? chunk.length : this.#firstEnd(chunk, before, end);
    this.isTooLong = this.#length + first > MAX_ANSWER;
    if (this.isTooLong) return undefined;
    if (end === 0) {
      if (chunk.length > 0) this.#pieces.push(chunk);
      this.#length += chunk.length;
      return undefined;
    }
    const whole = Buffer.concat([...this.#pieces, chunk.subarray(0, end)]);
    this.#pieces = end < chunk.length ? [chunk.subarray(end)] : [];
    this.#length = chunk.length - end;
    return whole;
  }

  /** Nothing more of it is wanted, and nothing is kept. */
  end(): void {
    this.isOver = true;
    this.#pieces = [];
  }

  /** Behind the first end of an event in a chunk, the last of which is behind `end`. It matters for long events alone. */
  #firstEnd(chunk: Uint8Array, before: readonly (number | undefined)[], end: number): number {
    if (this.#length + end <= MAX_ANSWER) return end;
    const byte = (at: number) => (at >= 0 ? chunk[at] : before[at + 2]);
    for (let at = 0; at < end; at++) {
      if (isEnd(byte(at - 2), byte(at - 1), byte(at))) return at + 1;
    }
    return end;
  }

  /** What is left at the end of the stream. */
  rest(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  /** Behind the last end of an event in a chunk; 0 when there is none. */
  #lastEnd(chunk: Uint8Array): number {
    const byte = (at: number) => (at >= 0 ? chunk[at] : this.#last[at + 2]);
    for (let at = chunk.length - 1; at >= 0; at--) {
      if (isEnd(byte(at - 2), byte(at - 1), byte(at))) return at + 1;
    }
    return 0;
  }
}

function* oneByOne(events: Buffer): Generator<Buffer> {
  let start = 0;
  for (let at = 0; at < events.length; at++) {
    if (!isEnd(events[at - 2], events[at - 1], events[at])) continue;
    yield events.subarray(start, at + 1);
    start = at + 1;
  }
  if (start < events.length) yield events.subarray(start);
}

/** Whether three bytes end an event. */
function isEnd(first: number | undefined, second: number | undefined, third: number | undefined): boolean {
  const isLineEnd = (byte: number | undefined) => byte === LINE_FEED || byte === CARRIAGE_RETURN;
  if (third === CARRIAGE_RETURN) return isLineEnd(second);
  if (third !== LINE_FEED) return false;
  return second === LINE_FEED || (second === CARRIAGE_RETURN && isLineEnd(first));
}
