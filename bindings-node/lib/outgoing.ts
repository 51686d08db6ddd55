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

  /** Sends it once, with header fields in turn besides its own; where `to` is given, there and no further. */
  send(fetch: Fetch, credential: readonly string[], to?: string): Promise<Response> {
    const headers = new Headers(this.headers);
    for (let i = 0; i + 1 < credential.length; i += 2)
      headers.set(credential[i] as string, credential[i + 1] as string);
    // A request's body can be read once: the one that was handed in is kept for the next time.
    const input = this.#input instanceof Request && this.#input.body ? this.#input.clone() : this.#input;
    if (to === undefined) return fetch(input, { ...this.#init, headers });
    const there = input instanceof Request ? new Request(to, input) : to;
    return fetch(there, { ...this.#init, headers, redirect: 'manual' });
  }

  /** Whether redirects are followed for it. */
  get followsRedirects(): boolean {
    const request = this.#input instanceof Request ? this.#input : undefined;
    return (this.#init?.redirect ?? request?.redirect ?? 'follow') === 'follow';
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

  /** Whether nobody waits for it: what an MCP session keeps open, and its end. */
  get isAmbient(): boolean {
    return this.method === 'DELETE' || (this.method === 'GET' && this.#isStreamOfSession);
  }

  /** Whether it is an event stream that nobody waits for: none that resumes an answer. */
  get isIdleStream(): boolean {
    return this.method === 'GET' && this.#isStreamOfSession && !this.headers.has('last-event-id');
  }

  /** The older transport opens its stream before there is a session, and connecting waits for it. */
  get #isStreamOfSession(): boolean {
    const { headers } = this;
    const inSession = headers.has('mcp-session-id') || headers.has('mcp-protocol-version');
    return inSession && (headers.get('accept') ?? '').includes('text/event-stream');
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

/** Lets go of a response that nobody reads. */
export async function discard(response: Response): Promise<void> {
  // It may have broken off meanwhile, which is no matter.
  await response.body?.cancel().catch(() => {});
}

const originOf = (url: string) => (URL.canParse(url) ? new URL(url).origin : undefined);

/** Whether a response is from another origin than was asked, by way of a redirect. */
export function isFromElsewhere(response: Response, url: string): boolean {
  return response.redirected && originOf(response.url) !== originOf(url);
}

/** Where a redirect points that keeps method and body, within the origin: so far credentials may go. */
export function redirectTarget(url: string, response: Response): string | undefined {
  if (response.status !== 307 && response.status !== 308) return undefined;
  const location = response.headers.get('location');
  if (location === null || !URL.canParse(location, url)) return undefined;
  const target = new URL(location, url);
  return target.origin === originOf(url) ? target.href : undefined;
}
