import type { Fetch } from './options.js';

/** A request as it was handed to `fetch`, to be sent as often as it takes. */
export class Outgoing {
  readonly method: string;
  readonly url: string;
  /** Its own header fields. They are not changed. */
  readonly headers: Headers;
  readonly signal: AbortSignal | undefined;
  /** The body, where it was handed in as a text: a JSON-RPC message, if it is one. */
  readonly message: string | undefined;
  readonly #input: string | URL | Request;
  readonly #init: RequestInit | undefined;

  constructor(url: string, input: string | URL | Request, init: RequestInit | undefined) {
    const request = input instanceof Request ? input : undefined;
    this.url = url;
    this.#input = input;
    this.#init = init;
    // Once, since that may be all they can be read.
    this.headers = new Headers(init?.headers ?? request?.headers);
    this.method = (init?.method ?? request?.method ?? 'GET').toUpperCase();
    // `null` detaches a request from its signal.
    this.signal = (init && 'signal' in init ? init.signal : request?.signal) ?? undefined;
    this.message = typeof init?.body === 'string' ? init.body : undefined;
  }

  /** Sends it once, to `to`, with header fields in turn besides its own. No redirect is followed. */
  send(fetch: Fetch, credential: readonly string[], to: string): Promise<Response> {
    const headers = new Headers(this.headers);
    for (let i = 0; i + 1 < credential.length; i += 2)
      headers.set(credential[i] as string, credential[i + 1] as string);
    // A request's body can be read once: the one that was handed in is kept for the next time.
    const input = this.#input instanceof Request && this.#input.body ? this.#input.clone() : this.#input;
    const redirect = this.redirect === 'error' ? 'error' : 'manual';
    const there = to === this.url ? input : input instanceof Request ? new Request(to, input) : to;
    return fetch(there, { ...this.#init, headers, redirect });
  }

  /** What is to be done about redirects: followed, as far as they may be; given back; or an error. */
  get redirect(): NonNullable<RequestInit['redirect']> {
    const request = this.#input instanceof Request ? this.#input : undefined;
    return this.#init?.redirect ?? request?.redirect ?? 'follow';
  }

  /** Whether its body can be sent more than once. */
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

/** Where a request goes; of what is none, whatever `fetch` makes of it. */
export function addressOf(input: string | URL | Request): string {
  return input instanceof Request ? input.url : String(input);
}

/** The media type of a response, without parameters. */
export function mediaTypeOf(response: Response): string | undefined {
  return response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
}

/** Lets go of a response that no caller reads. */
export async function discard(response: Response): Promise<void> {
  // It may have broken off meanwhile, which is no matter.
  await response.body?.cancel?.().catch(() => {});
}
