/** How much of an answer of the MCP server is kept in memory. */

import type { ReauthError } from './error.js';
import { httpError } from './http-error.js';
import { readAs } from './unread.js';

/** The longest answer, and the longest event of a stream, that is read, in bytes; the same in core. */
export const MAX_ANSWER = 16 * 1024 * 1024;

/** An answer is longer than is read. `what`: it, or an event of it. */
export function tooLong(url: string, what: 'the answer' | 'an event'): ReauthError {
  return httpError(url, `${what} is longer than ${MAX_ANSWER} bytes`);
}

/** Whether a response says itself that it is too long. */
export function saysTooLong(response: Response): boolean {
  return Number(response.headers.get('content-length') ?? 0) > MAX_ANSWER;
}

/**
 * Whether a response says itself that it is short enough, and cannot be longer then: what is compressed could be. Such a
 * response may be read by the platform, which is faster.
 */
export function saysShort({ headers }: Response): boolean {
  const length = headers.get('content-length');
  return length !== null && /^\d+$/.test(length) && Number(length) <= MAX_ANSWER && !headers.has('content-encoding');
}

/** A body as a stream of the platform: responses may be of another implementation. */
export function streamOf(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  return body instanceof ReadableStream ? body : ReadableStream.from(body);
}

/** Reads a body. One that is too long is cancelled. */
export async function readAll(body: ReadableStream<Uint8Array>, url: string): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // It stays locked, as after `arrayBuffer`.
  const reader = streamOf(body).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks, length);
    if (!ArrayBuffer.isView(value)) throw new TypeError('the body of a response must be a stream of bytes');
    length += value.byteLength;
    if (length > MAX_ANSWER) {
      const error = tooLong(url, 'the answer');
      // It may have broken off meanwhile, which is no matter.
      void reader.cancel(error).catch(() => {});
      throw error;
    }
    chunks.push(value);
  }
}

/** Makes a response fail, whichever way it is read, where it is longer than is read. */
export function bounded(response: Response, url: string): Response {
  const { body } = response;
  if (!body) return response;
  let length = 0;
  const counting = () =>
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        length += chunk.byteLength;
        if (length > MAX_ANSWER) throw tooLong(url, 'the answer');
        controller.enqueue(chunk);
      },
    });
  return readAs(
    response,
    () => readAll(body, url),
    () => new Response(streamOf(body).pipeThrough(counting()), response),
  );
}
