import type { CallContext } from './bridge.js';
import { WithBody } from './bridge.js';
import type { Fetch } from './options.js';

/** A request as the native part gives it. */
interface FetchInput {
  method: string;
  url: string;
  headers: [string, string][];
  maxBody: number;
}

/** Sends one request of the authorization protocol, within the limits that are set on those. */
export async function callFetch(fetch: Fetch, input: FetchInput, { signal, body }: CallContext): Promise<WithBody> {
  const response = await fetch(input.url, {
    method: input.method,
    headers: input.headers,
    // Credentials must not follow a redirect; the native part follows what may be followed.
    redirect: 'manual',
    credentials: 'omit',
    signal,
    ...(body && { body: body as Uint8Array<ArrayBuffer> }),
  });
  const { bytes, tooLarge } = await read(response, input.maxBody);
  const head = { status: response.status, headers: [...response.headers], too_large: tooLarge };
  return new WithBody(head, bytes);
}

async function read(response: Response, most: number): Promise<{ bytes: Uint8Array; tooLarge: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength;
    if (length > most) return { bytes: new Uint8Array(), tooLarge: true };
    chunks.push(chunk);
  }
  return { bytes: Buffer.concat(chunks), tooLarge: false };
}
