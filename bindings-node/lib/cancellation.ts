import { native } from './native.js';
import type { Outgoing } from './outgoing.js';

/** The notification that cancels a request in MCP before 2026-07-28. (Later versions abort the HTTP request.) */
const CANCELLED = 'notifications/cancelled';

/** A pending request. */
export class InFlight {
  /** The client no longer waits for the response. */
  cancelled = false;
  /** The response is an event stream that is still being read. */
  isStreaming = false;
  readonly outgoing: Outgoing;
  #cancel: native.Cancel | undefined;

  constructor(outgoing: Outgoing) {
    this.outgoing = outgoing;
  }

  /** Whether the caller no longer waits. */
  get isOver(): boolean {
    return this.cancelled || (this.outgoing.signal?.aborted ?? false);
  }

  /** Marks the request as cancelled by its client. */
  stop(): void {
    this.cancelled = true;
    this.#cancel?.cancel();
  }

  /** Runs a native operation until it completes or the caller cancels it. */
  async waiting<T>(work: (cancel: native.Cancel) => Promise<T>): Promise<T> {
    const { signal } = this.outgoing;
    const cancel = new native.Cancel();
    this.#cancel = cancel;
    const stop = () => cancel.cancel();
    if (this.isOver) stop();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await work(cancel);
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#cancel = undefined;
    }
  }

  /** Whether `id`, in a message of the same client as `other`, refers to this request. */
  is(id: unknown, other: Outgoing): boolean {
    const { message, headers, signal } = this.outgoing;
    // Several clients may share a session, and each numbers its requests from zero.
    const [session, others] = [headers.get('mcp-session-id'), other.headers.get('mcp-session-id')];
    if (signal !== other.signal || session !== others || (!signal && session === null)) return false;
    const own = read(message);
    return own !== undefined && 'method' in own && own.id === id;
  }
}

interface Message {
  id?: unknown;
  method?: unknown;
  params?: { requestId?: unknown };
}

function read(message: string | undefined): Message | undefined {
  try {
    const read: unknown = JSON.parse(message ?? '');
    return typeof read === 'object' && read !== null ? read : undefined;
  } catch {
    return undefined;
  }
}

/** The pending requests, to look up cancelled ones. */
export class RequestsInFlight {
  readonly #requests = new Set<InFlight>();

  begin(outgoing: Outgoing): InFlight {
    this.#heed(outgoing);
    const request = new InFlight(outgoing);
    this.#requests.add(request);
    return request;
  }

  end(request: InFlight): void {
    this.#requests.delete(request);
  }

  /** Stops the request that a cancellation message refers to. */
  #heed(outgoing: Outgoing): void {
    if (this.#requests.size === 0 || !outgoing.message?.includes(CANCELLED)) return;
    const message = read(outgoing.message);
    const id = message?.params?.requestId;
    if (message?.method !== CANCELLED || id === undefined) return;
    for (const request of this.#requests) if (request.is(id, outgoing)) request.stop();
  }
}
