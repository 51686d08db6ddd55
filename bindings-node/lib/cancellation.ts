import { native } from './native.js';
import type { Outgoing } from './outgoing.js';

/** What cancels a request in MCP (before 2026-07-28, which aborts it). */
const CANCELLED = 'notifications/cancelled';

/** A request that is under way. */
export class InFlight {
  /** The client has said that it does not wait for the answer any more. */
  cancelled = false;
  /** Its answer is a stream that is looked through, and not over yet. */
  isStreaming = false;
  readonly outgoing: Outgoing;
  #cancel: native.Cancel | undefined;

  constructor(outgoing: Outgoing) {
    this.outgoing = outgoing;
  }

  /** Whether no caller waits for it any more. */
  get isOver(): boolean {
    return this.cancelled || (this.outgoing.signal?.aborted ?? false);
  }

  /** No caller does. */
  stop(): void {
    this.cancelled = true;
    this.#cancel?.cancel();
  }

  /** Runs what waits in the native part, until the caller stops it. */
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

  /** Whether it is the request that `id` names in messages of the same client as `other`. */
  is(id: unknown, other: Outgoing): boolean {
    const { message, headers, signal } = this.outgoing;
    // Several clients may share a session, and each counts its requests from zero.
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

/** The requests that are under way, for cancellations to find. */
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

  /** If a message cancels a request, no caller waits for that any more. */
  #heed(outgoing: Outgoing): void {
    if (this.#requests.size === 0 || !outgoing.message?.includes(CANCELLED)) return;
    const message = read(outgoing.message);
    const id = message?.params?.requestId;
    if (message?.method !== CANCELLED || id === undefined) return;
    for (const request of this.#requests) if (request.is(id, outgoing)) request.stop();
  }
}
