import { bounded, readAll, saysShort, saysTooLong, tooLong } from './bounds.js';
import type { InFlight } from './cancellation.js';
import { RequestsInFlight } from './cancellation.js';
import { flatHeaders } from './challenge.js';
import type { Ready } from './credential.js';
import { closed, unwrap } from './error.js';
import { httpError } from './http-error.js';
import { native } from './native.js';
import type { Fetch } from './options.js';
import { addressOf, discard, mediaTypeOf, Outgoing } from './outgoing.js';
import type { OpenSession } from './parts.js';
import { followedAnyway } from './redirect.js';
import { asJsonRpc, mentionsChallenge, type Replacement } from './tool-result.js';
import { unread } from './unread.js';
import { watched } from './watch.js';

/** What all requests of a session share. */
interface Surroundings {
  session: OpenSession;
  fetch: Fetch;
  /** It is the platform's `fetch`, so the `Content-Length` of its responses is reliable. */
  isPlatform: boolean;
  requests: RequestsInFlight;
}

/**
 * A `fetch` that attaches the session's credential to requests for its server, recovers when one is rejected, and sends
 * it again. Other requests pass unchanged.
 */
export function recoveringFetch(session: OpenSession, serverUrl: string, fetch: Fetch, isPlatform: boolean): Fetch {
  const { native, parts } = session;
  const requests = new RequestsInFlight();
  const surroundings = { session, fetch, isPlatform, requests };
  // The address as the SDK writes it. The native part knows to which others the credential applies.
  const href = new URL(serverUrl).href;
  return async (input, init) => {
    const url = addressOf(input);
    if (parts.isClosed) throw closed();
    if (url !== href && !native.appliesTo(url)) return fetch(input, init);
    const inFlight = requests.begin(new Outgoing(url, input, init));
    try {
      return await new Exchange(surroundings, inFlight).send();
    } finally {
      if (!inFlight.isStreaming) requests.end(inFlight);
    }
  };
}

/** How to inspect a response before it is returned. */
type Look = 'none' | 'message' | 'events';

/** The native part's decision about a response. */
type Told = { next: 'send'; url: string } | { next: 'deliver'; look: Look };

/**
 * One request with all its tries. The native part decides what each response means. It is not asked about plain
 * responses, so it does not take part in most requests.
 */
class Exchange {
  readonly #surroundings: Surroundings;
  readonly #inFlight: InFlight;
  readonly #outgoing: Outgoing;
  /** The address of the next try. */
  #url: string;
  /** The credential that was sent, while the native part need not know of the request. */
  #sent: Ready | undefined;
  #exchange: native.Exchange | undefined;

  constructor(surroundings: Surroundings, inFlight: InFlight) {
    this.#surroundings = surroundings;
    this.#inFlight = inFlight;
    this.#outgoing = inFlight.outgoing;
    this.#url = inFlight.outgoing.url;
  }

  /** Sends the request until there is a response for the caller. */
  async send(): Promise<Response> {
    const outgoing = this.#outgoing;
    for (;;) {
      outgoing.signal?.throwIfAborted();
      const credential = await this.#authorize();
      const url = this.#url;
      const response = await outgoing.send(this.#surroundings.fetch, credential, url);
      const wrong = followedAnyway(response, url);
      if (wrong) {
        await discard(response);
        throw httpError(url, wrong);
      }
      // Any response to a request with a DPoP proof may carry the next nonce (RFC 9449 section 8.2).
      const isPlain = isSettled(response) && !credential.includes('dpop');
      const look = isPlain ? this.#plainLook(response) : await this.#receive(response);
      const delivered = look && (await this.#deliver(response, look));
      if (delivered) return delivered;
    }
  }

  get #native(): native.Exchange {
    if (!this.#exchange) {
      const { method, url, headers, message, redirect, isReplayable } = this.#outgoing;
      const outgoing = { method, url, headers: flatHeaders(headers), message, redirect, isReplayable };
      const exchange = this.#surroundings.session.native.exchange(outgoing, this.#sent?.authorization);
      if (!exchange) throw closed();
      this.#exchange = exchange;
    }
    return this.#exchange;
  }

  async #authorize(): Promise<readonly string[]> {
    if (!this.#exchange) {
      const { native, parts } = this.#surroundings.session;
      this.#sent = parts.current.get(native);
      if (this.#sent) return this.#sent.headers;
    }
    return this.#deciding(async (cancel) => {
      const credential = this.#native.authorize(cancel);
      if (credential === null || Array.isArray(credential)) return credential ?? [];
      return (await this.#unwrap<string[] | null>(credential)) ?? [];
    });
  }

  /** How to inspect a response that needs no recovery. */
  #plainLook(response: Response): Look {
    if (!response.ok) return 'none';
    const type = mediaTypeOf(response);
    if (type === 'text/event-stream') return 'events';
    return type === 'application/json' && this.#outgoing.callsTool ? 'message' : 'none';
  }

  /** Decides how to inspect a response; returns `undefined`, and discards it, if the request must be sent again. */
  async #receive(response: Response): Promise<Look | undefined> {
    const { headers, type } = response;
    // Browsers hide the status of a redirect.
    const status = type === 'opaqueredirect' ? 302 : response.status;
    let isOurs = true;
    try {
      const look = await this.#next((cancel) => this.#native.receive(status, flatHeaders(headers), cancel));
      isOurs = look === undefined;
      return look;
    } finally {
      if (isOurs) await discard(response);
    }
  }

  async #next(told: (cancel: native.Cancel) => Promise<string>): Promise<Look | undefined> {
    const inFlight = this.#inFlight;
    // The client has cancelled the request: the response does not matter, and the user must not be asked.
    if (inFlight.cancelled) return 'none';
    try {
      const next = await this.#deciding((cancel) => this.#unwrap<Told>(told(cancel)));
      if (next.next === 'deliver') return next.look;
      if (inFlight.cancelled) return 'none';
      this.#url = next.url;
      return undefined;
    } catch (error) {
      if (inFlight.cancelled) return 'none';
      throw error;
    }
  }

  /** Waits for the native part, which may change the credential. */
  async #deciding<T>(work: (cancel: native.Cancel) => Promise<T>): Promise<T> {
    try {
      return await this.#inFlight.waiting(work);
    } finally {
      this.#surroundings.session.parts.current.forget();
    }
  }

  async #unwrap<T>(answer: string | Promise<string>): Promise<T> {
    try {
      return unwrap(await answer);
    } catch (error) {
      this.#outgoing.signal?.throwIfAborted();
      throw error;
    }
  }

  /** Returns the response within the size limits; `undefined` if the request must be sent again. */
  async #deliver(response: Response, look: Look): Promise<Response | undefined> {
    const { body } = response;
    if (!body) return response;
    const { url } = this.#outgoing;
    if (saysTooLong(response)) {
      await discard(response);
      throw tooLong(url, 'the response');
    }
    if (look === 'events') return this.#watch(response, body);
    const isShort = this.#surroundings.isPlatform && saysShort(response);
    if (look === 'none') return isShort ? response : bounded(response, url);
    const answer = isShort ? Buffer.from(await response.arrayBuffer()) : await readAll(body, url);
    const passes = !mentionsChallenge(answer) || (await this.#inspect(answer.toString()));
    return passes ? unread(response, answer) : undefined;
  }

  /** Whether a message that answers the request is for the caller. */
  async #inspect(message: string): Promise<boolean> {
    return (await this.#next((cancel) => this.#native.inspect(message, cancel))) !== undefined;
  }

  /** Wraps an event stream. Its client can cancel the request while the stream is open. */
  #watch(response: Response, body: ReadableStream<Uint8Array>): Response {
    const { requests } = this.#surroundings;
    const { url, message, callsTool, signal } = this.#outgoing;
    const inFlight = this.#inFlight;
    inFlight.isStreaming = true;
    return watched(response, body, new native.EventWatch(callsTool), {
      replace: (data) => this.#replace(data),
      tooLong: () => {
        const error = tooLong(url, 'an event');
        // A reader takes a stream error for a broken connection, so the reason becomes the call's answer.
        return asJsonRpc(message, error, url) ?? error;
      },
      over: () => requests.end(inFlight),
      // The user must not be asked for it any more.
      left: () => inFlight.stop(),
      signal,
    });
  }

  /** Decides what replaces an event that may hold a challenge. */
  async #replace(data: string): Promise<Replacement> {
    try {
      if (await this.#inspect(data)) return undefined;
      const response = await this.send();
      const type = mediaTypeOf(response);
      if (response.ok && (type === 'text/event-stream' || type === 'application/json')) return response;
      await discard(response);
      throw new Error(`the retry of the call returned HTTP status ${response.status}`);
    } catch (error) {
      this.#outgoing.signal?.throwIfAborted();
      return asJsonRpc(this.#outgoing.message, error, this.#outgoing.url);
    }
  }
}

/** Whether a response is neither a rejection nor a redirect. */
function isSettled({ status, type }: Response): boolean {
  const isRedirect = type === 'opaqueredirect' || (status >= 300 && status < 400);
  return status !== 401 && status !== 403 && !isRedirect;
}
