import type { Fetch } from './options.js';

/** A request that was passed to `fetch`, to be sent as often as necessary. */
export class Outgoing {
  readonly method: string;
  readonly url: string;
  /** Its own header fields. Never modified. */
  readonly headers: Headers;
  readonly signal: AbortSignal | undefined;
  /** The body, if it was passed as a string: usually a JSON-RPC message. */
  readonly message: string | undefined;
  readonly #input: string | URL | Request;
  readonly #init: RequestInit | undefined;

  constructor(url: string, input: string | URL | Request, init: RequestInit | undefined) {
    const request = input instanceof Request ? input : undefined;
    this.url = url;
    this.#input = input;
    this.#init = init;
    // Read once, because an iterator can be read only once.
    this.headers = new Headers(init?.headers ?? request?.headers);
    this.method = (init?.method ?? request?.method ?? 'GET').toUpperCase();
    // An explicit `null` detaches a request from its signal.
    this.signal = (init && 'signal' in init ? init.signal : request?.signal) ?? undefined;
    this.message = typeof init?.body === 'string' ? init.body : undefined;
  }

  /** Sends it once, to `to`, with additional header fields (alternating names and values). Follows no redirect. */
  send(fetch: Fetch, credential: readonly string[], to: string): Promise<Response> {
    const headers = new Headers(this.headers);
    for (let i = 0; i + 1 < credential.length; i += 2)
      headers.set(credential[i] as string, credential[i + 1] as string);
    // A request's body can be read only once: sends a clone and keeps the original.
    const input = this.#input instanceof Request && this.#input.body ? this.#input.clone() : this.#input;
    const redirect = this.redirect === 'error' ? 'error' : 'manual';
    const there = to === this.url ? input : input instanceof Request ? new Request(to, input) : to;
    return fetch(there, { ...this.#init, headers, redirect });
  }

  /** How to handle redirects: follow the allowed ones, return them, or fail. */
  get redirect(): NonNullable<RequestInit['redirect']> {
    const request = this.#input instanceof Request ? this.#input : undefined;
    return this.#init?.redirect ?? request?.redirect ?? 'follow';
  }

  /** Whether the body can be sent more than once. */
  get isReplayable(): boolean {
    const body: unknown = this.#init?.body ?? '';
    return (
      typeof body === 'string' ||
      body instanceof URLSearchParams ||
      body instanceof Blob ||
      body instanceof FormData ||
      body instanceof ArrayBuffer ||
      ArrayBuffer.isView(body)
    );
  }

  /** Whether it calls a tool, whose result may hold a challenge. */
  get callsTool(): boolean {
    return this.message?.includes('"tools/call"') ?? false;
  }
}

/** The address of a request; may be invalid, which `fetch` reports. */
export function addressOf(input: string | URL | Request): string {
  return input instanceof Request ? input.url : String(input);
}

/** The media type of a response, without parameters. */
export function mediaTypeOf(response: Response): string | undefined {
  return response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
}

/** Cancels a response that no caller reads. */
export async function discard(response: Response): Promise<void> {
  // Ignores an error here: the connection may have broken meanwhile.
  await response.body?.cancel?.().catch(() => {});
}
