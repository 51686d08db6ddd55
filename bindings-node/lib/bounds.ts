/** Limits for the size of the MCP server's responses. */

import type { ReauthError } from './error.js';
import { httpError } from './http-error.js';
import { readAs } from './unread.js';

/** The limit for a response and for one event of a stream, in bytes; the same as in core. */
export const MAX_ANSWER = 16 * 1024 * 1024;

/** The error for a response or an event that exceeds the limit. */
export function tooLong(url: string, what: 'the response' | 'an event'): ReauthError {
  return httpError(url, `${what} is longer than ${MAX_ANSWER} bytes`);
}

/** Whether the `Content-Length` of a response exceeds the limit. */
export function saysTooLong(response: Response): boolean {
  return Number(response.headers.get('content-length') ?? 0) > MAX_ANSWER;
}

/**
 * Whether the `Content-Length` of a response is within the limit and reliable, which it is not for compressed
 * responses. The platform may read such a response itself, which is faster.
 */
export function saysShort({ headers }: Response): boolean {
  const length = headers.get('content-length');
  return length !== null && /^\d+$/.test(length) && Number(length) <= MAX_ANSWER && !headers.has('content-encoding');
}

/** Converts a body to a stream of the platform: the response may come from another implementation. */
export function streamOf(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  return body instanceof ReadableStream ? body : ReadableStream.from(body);
}

/** Reads a body. Cancels it and throws if it exceeds the limit. */
export async function readAll(body: ReadableStream<Uint8Array>, url: string): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // The stream stays locked, as after `arrayBuffer`.
  const reader = streamOf(body).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks, length);
    if (!ArrayBuffer.isView(value)) throw new TypeError('the body of a response must be a stream of bytes');
    length += value.byteLength;
    if (length > MAX_ANSWER) {
      const error = tooLong(url, 'the response');
      // Ignores an error here: the connection may have broken meanwhile.
      void reader.cancel(error).catch(() => {});
      throw error;
    }
    chunks.push(value);
  }
}

/** Wraps a response so that reading it fails beyond the limit. */
export function bounded(response: Response, url: string): Response {
  const { body } = response;
  if (!body) return response;
  let length = 0;
  const counting = () =>
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        length += chunk.byteLength;
        if (length > MAX_ANSWER) throw tooLong(url, 'the response');
        controller.enqueue(chunk);
      },
    });
  return readAs(
    response,
    () => readAll(body, url),
    () => new Response(streamOf(body).pipeThrough(counting()), response),
  );
}
