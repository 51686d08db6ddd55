import { bounded, readAll, saysShort, saysTooLong, tooLong } from './bounds.js';
import type { InFlight } from './cancellation.js';
import { RequestsInFlight } from './cancellation.js';
import { flatHeaders } from './challenge.js';
import { CurrentCredential, type Ready } from './credential.js';
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

/** What requests are sent with. */
interface Surroundings {
  session: OpenSession;
  current: CurrentCredential;
  fetch: Fetch;
  /** It is the platform's, which means what its responses say. */
  isPlatform: boolean;
  requests: RequestsInFlight;
}

/**
 * A `fetch` that attaches the session's credential to requests for its server, recovers when one is rejected, and sends
 * it again. Other requests go through as they are.
 */
export function recoveringFetch(session: OpenSession, serverUrl: string, fetch: Fetch, isPlatform: boolean): Fetch {
  const { native, parts } = session;
  const requests = new RequestsInFlight();
  const surroundings = { session, fetch, isPlatform, requests, current: new CurrentCredential(native) };
  // As the SDK writes it; what else the credential applies to, the native part knows.
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

/** How a response is looked through before it is the caller's. */
type Look = 'none' | 'message' | 'events';

/** What to do after a response. */
type Told = { next: 'send'; url: string } | { next: 'deliver'; look: Look };

/**
 * One request over all its tries. What each response means, the native part says; it is not asked where that is plain,
 * and does not even know of most requests.
 */
class Exchange {
  readonly #surroundings: Surroundings;
  readonly #inFlight: InFlight;
  readonly #outgoing: Outgoing;
  /** Where it goes next. */
  #url: string;
  /** What it was sent with, as long as the native part need not know of it. */
  #sent: Ready | undefined;
  #exchange: native.Exchange | undefined;

  constructor(surroundings: Surroundings, inFlight: InFlight) {
    this.#surroundings = surroundings;
    this.#inFlight = inFlight;
    this.#outgoing = inFlight.outgoing;
    this.#url = inFlight.outgoing.url;
  }

  /** Sends it until its response is the caller's. */
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
      // Any response to a request with a proof may carry the next nonce (RFC 9449 section 8.2).
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
      this.#sent = this.#surroundings.current.get();
      if (this.#sent) return this.#sent.headers;
    }
    return this.#inFlight.waiting(async (cancel) => {
      const credential = this.#native.authorize(cancel);
      if (credential === null || Array.isArray(credential)) return credential ?? [];
      return (await this.#unwrap<string[] | null>(credential)) ?? [];
    });
  }

  /** How an answer that needs no recovery is looked through. */
  #plainLook(response: Response): Look {
    if (!response.ok) return 'none';
    const type = mediaTypeOf(response);
    if (type === 'text/event-stream') return 'events';
    return type === 'application/json' && this.#outgoing.callsTool ? 'message' : 'none';
  }

  /** How a response is looked through; `undefined` when the request is to be sent again, and the response let go of. */
  async #receive(response: Response): Promise<Look | undefined> {
    const { headers, type } = response;
    // A platform may not let us look at a redirect.
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
    // The client has given up on it: whatever it is answered, no caller looks, and the user is not to be asked for it.
    if (inFlight.cancelled) return 'none';
    try {
      const next = await inFlight.waiting((cancel) => this.#unwrap<Told>(told(cancel)));
      if (next.next === 'deliver') return next.look;
      if (inFlight.cancelled) return 'none';
      this.#url = next.url;
      return undefined;
    } catch (error) {
      if (inFlight.cancelled) return 'none';
      throw error;
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

  /** Hands a response on, within bounds; `undefined` when the request is to be sent again. */
  async #deliver(response: Response, look: Look): Promise<Response | undefined> {
    const { body } = response;
    if (!body) return response;
    const { url } = this.#outgoing;
    if (saysTooLong(response)) {
      await discard(response);
      throw tooLong(url, 'the answer');
    }
    if (look === 'events') return this.#watch(response, body);
    const isShort = this.#surroundings.isPlatform && saysShort(response);
    if (look === 'none') return isShort ? response : bounded(response, url);
    const answer = isShort ? Buffer.from(await response.arrayBuffer()) : await readAll(body, url);
    const passes = !mentionsChallenge(answer) || (await this.#inspect(answer.toString()));
    return passes ? unread(response, answer) : undefined;
  }

  /** Whether a message that answers it is the caller's. */
  async #inspect(message: string): Promise<boolean> {
    return (await this.#next((cancel) => this.#native.inspect(message, cancel))) !== undefined;
  }

  /** Its client may cancel it as long as the stream goes on. */
  #watch(response: Response, body: ReadableStream<Uint8Array>): Response {
    const { requests } = this.#surroundings;
    const { url, message, callsTool, signal } = this.#outgoing;
    const inFlight = this.#inFlight;
    inFlight.isStreaming = true;
    return watched(response, body, new native.EventWatch(callsTool), {
      replace: (data) => this.#replace(data),
      tooLong: () => {
        const error = tooLong(url, 'an event');
        // A stream's reader knows no other errors than those of a stream: the reason becomes the answer to the call.
        return asJsonRpc(message, error, url) ?? error;
      },
      over: () => requests.end(inFlight),
      // The user is not to be asked for it any more.
      left: () => inFlight.stop(),
      signal,
    });
  }

  /** What to put in the place of an event that may hold a challenge, once the rest of the stream has begun. */
  async #replace(data: string): Promise<Replacement> {
    try {
      if (await this.#inspect(data)) return undefined;
      const response = await this.send();
      const type = mediaTypeOf(response);
      if (response.ok && (type === 'text/event-stream' || type === 'application/json')) return response;
      await discard(response);
      throw new Error(`the call was answered by HTTP status ${response.status} when it was repeated`);
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
