/** Challenges inside the results of tools, where a server let the call through and had the tool refuse it. */

import { wordsOf } from './describe.js';
import { isReauthError } from './error.js';
import { mediaTypeOf } from './outgoing.js';
import { like } from './unread.js';

/** Whether an answer may hold a challenge: most do not, and need not be taken apart. The name's slash may be escaped. */
export function mentionsChallenge(answer: Buffer): boolean {
  return answer.includes('www_authenticate');
}

/** The code of a JSON-RPC error that stands for one of ours, as in core (`Error::to_json_rpc`). */
const JSON_RPC_CODE = -32_080;

/** The answer to the JSON-RPC request `message` that says why it failed. */
export function asJsonRpc(message: string | undefined, error: unknown): string {
  const { id = null } = JSON.parse(message ?? '{}') as { id?: unknown };
  const { code, challenge } = isReauthError(error) ? error : { code: 'http', challenge: undefined };
  const answer = { code: JSON_RPC_CODE, message: wordsOf(error), data: { code, challenge } };
  return JSON.stringify({ jsonrpc: '2.0', id, error: answer });
}

/**
 * What takes the place of an event: the response to the repeated call, an answer, or nothing, when the event is to pass
 * as it is.
 */
export type Replacement = Response | string | undefined;

/**
 * A response whose events pass byte for byte, each when it is complete. One that mentions a challenge is held back, and
 * `replace` says what becomes of it. `over` is called when nobody reads the stream any more.
 */
export function withWatchedEvents(
  response: Response,
  replace: (data: string) => Promise<Replacement>,
  over: () => void,
): Response {
  const cut = new EventCutter();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
    async transform(chunk, controller) {
      const events = cut.take(chunk);
      if (events) await pass(events, controller, replace);
    },
    async flush(controller) {
      await pass(cut.rest(), controller, replace);
    },
  });
  // It tells whoever reads by the stream how it ended.
  response.body?.pipeTo(writable).then(over, over);
  return like(response, new Response(readable, response));
}

async function pass(
  events: Buffer,
  controller: TransformStreamDefaultController<Uint8Array>,
  replace: (data: string) => Promise<Replacement>,
): Promise<void> {
  if (!mentionsChallenge(events)) {
    if (events.length > 0) controller.enqueue(events);
    return;
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
    return;
  }
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
  /** Of the event that is not complete. */
  #pieces: Uint8Array[] = [];
  /** The last two bytes of those, before whatever comes next. */
  #last: [number | undefined, number | undefined] = [undefined, undefined];

  /** Takes a chunk in, and gives the events that are complete with it, if any are. */
  take(chunk: Uint8Array): Buffer | undefined {
    const end = this.#lastEnd(chunk);
    const before = this.#last;
    const byte = (at: number) => (at >= 0 ? chunk[at] : before[at + 2]);
    this.#last = [byte(chunk.length - 2), byte(chunk.length - 1)];
    if (end === 0) {
      if (chunk.length > 0) this.#pieces.push(chunk);
      return undefined;
    }
    const whole = Buffer.concat([...this.#pieces, chunk.subarray(0, end)]);
    this.#pieces = end < chunk.length ? [chunk.subarray(end)] : [];
    return whole;
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
