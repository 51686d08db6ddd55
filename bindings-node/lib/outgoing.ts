import type { Fetch } from './options.js';

/** A request as it was handed to `fetch`, to be sent as often as it takes. */
export class Outgoing {
  readonly method: string;
  readonly url: string;
  readonly signal: AbortSignal | undefined;
  /** The body, where it is a text: a JSON-RPC message, if it is one. */
  readonly message: string | undefined;
  readonly #input: string | URL | Request;
  readonly #init: RequestInit | undefined;
  readonly #ownHeaders: RequestInit['headers'];

  constructor(url: string, input: string | URL | Request, init: RequestInit | undefined) {
    const request = input instanceof Request ? input : undefined;
    this.url = url;
    this.#input = input;
    this.#init = init;
    this.#ownHeaders = init?.headers ?? request?.headers;
    this.method = (init?.method ?? request?.method ?? 'GET').toUpperCase();
    this.signal = init?.signal ?? request?.signal;
    this.message = typeof init?.body === 'string' ? init.body : undefined;
  }

  /** Its own header fields. */
  get headers(): Headers {
    return new Headers(this.#ownHeaders);
  }

  /** Sends it once, with header fields in turn besides its own. */
  send(fetch: Fetch, credential: readonly string[]): Promise<Response> {
    const { headers } = this;
    for (let i = 0; i + 1 < credential.length; i += 2)
      headers.set(credential[i] as string, credential[i + 1] as string);
    // A request's body can be read once: the one that was handed in is kept for the next time.
    const input = this.#input instanceof Request && this.#input.body ? this.#input.clone() : this.#input;
    return fetch(input, { ...this.#init, headers });
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

export function addressOf(input: string | URL | Request): string {
  return typeof input === 'string' ? input : input instanceof URL ? input.href : input.url;
}
