import type { CallContext } from './bridge.js';
import { WithBody } from './bridge.js';
import { describe } from './describe.js';
import { fetchFailure } from './fetch-failure.js';
import type { Fetch } from './options.js';
import { discard } from './outgoing.js';
import { followedAnyway } from './redirect.js';

/** A request from the native part. */
interface FetchInput {
  method: string;
  url: string;
  headers: [string, string][];
  maxBody: number;
}

/** Sends one authorization request, with the limits for those. */
export async function callFetch(fetch: Fetch, input: FetchInput, { signal, body }: CallContext): Promise<WithBody> {
  const response: unknown = await sent(fetch, input.url, {
    method: input.method,
    headers: input.headers,
    // Credentials must not follow a redirect; the native part follows the allowed ones.
    redirect: 'manual',
    credentials: 'omit',
    signal,
    body: (body as Uint8Array<ArrayBuffer> | undefined) ?? null,
  });
  if (!isResponse(response)) throw new TypeError(`fetch must return a Response, and returned ${describe(response)}`);
  const wrong = followedAnyway(response, input.url);
  if (wrong) {
    await discard(response);
    throw new TypeError(wrong);
  }
  const { bytes, tooLarge } = await read(response, input.maxBody);
  const headers = [...response.headers];
  if (!headers.flat().every((text) => typeof text === 'string')) throw new TypeError('fetch must return header fields');
  const head = { status: response.status, headers, too_large: tooLarge };
  return new WithBody(head, bytes);
}

async function sent(fetch: Fetch, url: string, init: RequestInit): Promise<unknown> {
  try {
    return await fetch(url, init);
  } catch (thrown) {
    throw fetchFailure(thrown);
  }
}

/** Whether a value has the shape of a `Response`, which may come from another implementation. */
function isResponse(value: unknown): value is Response {
  if (typeof value !== 'object' || value === null) return false;
  const { status, headers } = value as Partial<Response>;
  const isStatus = Number.isInteger(status) && status !== undefined && status >= 100 && status <= 599;
  return isStatus && typeof headers === 'object' && headers !== null && Symbol.iterator in headers;
}

async function read(response: Response, most: number): Promise<{ bytes: Buffer; tooLarge: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const body: unknown = response.body ?? [];
  if (typeof body !== 'object' || body === null) throw noBytes();
  if (!(Symbol.asyncIterator in body || Array.isArray(body))) throw noBytes();
  for await (const chunk of body as AsyncIterable<unknown>) {
    if (!(chunk instanceof Uint8Array)) throw noBytes();
    length += chunk.byteLength;
    if (length > most) return { bytes: Buffer.alloc(0), tooLarge: true };
    chunks.push(chunk);
  }
  return { bytes: Buffer.concat(chunks), tooLarge: false };
}

const noBytes = () => new TypeError('fetch must return a Response whose body is a stream of bytes');
