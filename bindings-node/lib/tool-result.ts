/** Challenges inside the results of tools, where a server let the call through and had the tool refuse it. */

/** Whether an answer may hold a challenge: most do not, and need not be taken apart. The name's slash may be escaped. */
export function mentionsChallenge(answer: Buffer): boolean {
  return answer.includes('www_authenticate');
}

/** A response whose body was read, with that body or another. */
export function withBody(response: Response, body: Buffer | ReadableStream<Uint8Array>): Response {
  const { status, statusText, headers, url } = response;
  const copy = new Response(body as Buffer<ArrayBuffer> | ReadableStream<Uint8Array>, { status, statusText, headers });
  // Constructed responses have no address.
  Object.defineProperty(copy, 'url', { value: url });
  return copy;
}

/**
 * What takes the place of an event: the response to the repeated call, an answer, or nothing, when the event is to pass
 * as it is.
 */
export type Replacement = Response | string | undefined;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/**
 * A response whose events pass byte for byte, each when it is complete. One that mentions a challenge is held back, and
 * `replace` says what becomes of it.
 */
export function withWatchedEvents(response: Response, replace: (data: string) => Promise<Replacement>): Response {
  if (!response.body) return response;
  const events = watch(response.body, replace);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await events.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await events.return(undefined);
    },
  });
  return withBody(response, body);
}

async function* watch(
  body: ReadableStream<Uint8Array>,
  replace: (data: string) => Promise<Replacement>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const events of wholeEvents(body)) {
    if (!mentionsChallenge(events)) {
      yield events;
      continue;
    }
    for (const event of oneByOne(events)) {
      const replacement = mentionsChallenge(event) ? await replace(dataOf(event.toString())) : undefined;
      if (replacement === undefined) {
        yield event;
        continue;
      }
      yield* instead(replacement);
      // The call is answered, and so this stream has done its part.
      return;
    }
  }
}

async function* instead(replacement: Response | string): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof replacement === 'string') {
    yield asEvent(replacement);
  } else if (replacement.headers.get('content-type')?.startsWith('text/event-stream') && replacement.body) {
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

/** The bytes of a stream, cut where events end; what comes last may be incomplete. */
async function* wholeEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    const from = Math.max(rest.length - 3, 0);
    const bytes =
      rest.length > 0 ? Buffer.concat([rest, chunk]) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    const end = lastEnd(bytes, from);
    if (end > 0) yield bytes.subarray(0, end);
    rest = bytes.subarray(end);
  }
  if (rest.length > 0) yield rest;
}

function* oneByOne(events: Buffer): Generator<Buffer> {
  let start = 0;
  for (let at = 0; at < events.length; at++) {
    if (!endsAt(events, at)) continue;
    yield events.subarray(start, at + 1);
    start = at + 1;
  }
  if (start < events.length) yield events.subarray(start);
}

/** Behind the last event that ends after `from`; 0 when none does. */
function lastEnd(bytes: Uint8Array, from: number): number {
  for (let at = bytes.length - 1; at >= from; at--) if (endsAt(bytes, at)) return at + 1;
  return 0;
}

/** Whether an event ends with the byte at `at`: with a line end that follows another. */
function endsAt(bytes: Uint8Array, at: number): boolean {
  const [last, before, third] = [bytes[at], bytes[at - 1], bytes[at - 2]];
  if (last === CARRIAGE_RETURN) return before === CARRIAGE_RETURN || before === LINE_FEED;
  if (last !== LINE_FEED) return false;
  return before === LINE_FEED || (before === CARRIAGE_RETURN && (third === LINE_FEED || third === CARRIAGE_RETURN));
}

/** The data of an event. */
function dataOf(event: string): string {
  const data = event.split(/\r\n|\r|\n/).filter((line) => line.startsWith('data:'));
  return data.map((line) => line.slice('data:'.length).replace(/^ /, '')).join('\n');
}
