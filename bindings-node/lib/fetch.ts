import type { InFlight } from './cancellation.js';
import { RequestsInFlight } from './cancellation.js';
import { flatHeaders } from './challenge.js';
import { CurrentCredential, type Ready } from './credential.js';
import { closed, ReauthError, unwrap } from './error.js';
import type { native } from './native.js';
import type { Fetch } from './options.js';
import { addressOf, Outgoing } from './outgoing.js';
import { mentionsChallenge, type Replacement, withBody, withWatchedEvents } from './tool-result.js';

type NativeSession = native.Session;
type NativeRequest = native.Request;
type NativeCancel = native.Cancel;

/** What requests are sent with. */
interface Surroundings {
  session: NativeSession;
  current: CurrentCredential;
  fetch: Fetch;
}

/**
 * A `fetch` that attaches the session's credential to requests for its server, recovers when one is rejected, and sends
 * it again. Other requests go through as they are.
 */
export function recoveringFetch(session: NativeSession, serverUrl: string, fetch: Fetch): Fetch {
  const surroundings = { session, fetch, current: new CurrentCredential(session) };
  const requests = new RequestsInFlight();
  // As the SDK writes it; whatever else there is below it, the native part knows.
  const href = new URL(serverUrl).href;
  return async (input, init) => {
    const url = addressOf(input);
    if (session.isClosed()) throw closed();
    if (url !== href && !session.covers(url)) return fetch(input, init);
    const outgoing = new Outgoing(url, input, init);
    const inFlight = requests.begin(outgoing);
    try {
      return await outlast(surroundings, inFlight);
    } finally {
      requests.end(inFlight);
    }
  };
}

/** Sends a request. An event stream that nobody waits for waits itself, where it cannot be authorized now. */
async function outlast(surroundings: Surroundings, inFlight: InFlight): Promise<Response> {
  let stream: native.IdleStream | null = null;
  for (;;) {
    const exchange = new Exchange(surroundings, inFlight);
    try {
      return await exchange.send();
    } catch (error) {
      if (!(error instanceof ReauthError) || !inFlight.outgoing.isIdleStream) throw error;
      stream ??= surroundings.session.idleStream();
      if (!stream || !(await exchange.outlast(stream))) throw error;
    }
  }
}

/** One request over all its tries. */
class Exchange {
  readonly #surroundings: Surroundings;
  readonly #inFlight: InFlight;
  readonly #outgoing: Outgoing;
  /** What it was sent with, as long as the native part need not know of it. */
  #sent: Ready | undefined;
  #request: NativeRequest | undefined;

  constructor(surroundings: Surroundings, inFlight: InFlight) {
    this.#surroundings = surroundings;
    this.#inFlight = inFlight;
    this.#outgoing = inFlight.outgoing;
  }

  /** Sends it until its response is the caller's. */
  async send(): Promise<Response> {
    const outgoing = this.#outgoing;
    for (;;) {
      outgoing.signal?.throwIfAborted();
      const credential = await this.#authorize();
      const response = await outgoing.send(this.#surroundings.fetch, credential);
      // Any response to a request with a proof may carry the next nonce (RFC 9449 section 8.2).
      const concerned = response.status === 401 || response.status === 403 || credential.includes('dpop');
      if (concerned && (await this.#recover(response))) continue;
      return outgoing.callsTool && response.ok ? this.#look(response) : response;
    }
  }

  /** Waits until it is worth trying again after it failed. */
  outlast(stream: native.IdleStream): Promise<boolean> {
    return this.#wait((cancel) => stream.outlast(this.#native, cancel));
  }

  get #native(): NativeRequest {
    if (!this.#request) {
      const request = this.#surroundings.session.request(this.#outgoing.isAmbient);
      if (!request) throw closed();
      if (this.#sent) request.setSent(this.#sent.authorization);
      this.#request = request;
    }
    return this.#request;
  }

  async #authorize(): Promise<readonly string[]> {
    if (!this.#request) {
      this.#sent = this.#surroundings.current.get();
      if (this.#sent) return this.#sent.headers;
    }
    const { method, url } = this.#outgoing;
    return this.#inFlight.waiting(async (cancel) => {
      const credential = this.#native.authorize(method, url, cancel);
      if (credential === null || Array.isArray(credential)) return credential ?? [];
      return (await this.#unwrap<string[] | null>(credential)) ?? [];
    });
  }

  /** Whether to send the request again; if so, the response is done with. */
  async #recover(response: Response): Promise<boolean> {
    const { message, url } = this.#outgoing;
    // A redirect may have led elsewhere, whose challenge is none of this server's.
    if (response.redirected && originOf(response.url) !== originOf(url)) return false;
    const { status, headers } = response;
    const retry = await this.#isRetry((cancel) => this.#native.recover(status, flatHeaders(headers), message, cancel));
    if (retry) await response.body?.cancel();
    return retry;
  }

  async #isRetry(recover: (cancel: NativeCancel) => Promise<string>): Promise<boolean> {
    const inFlight = this.#inFlight;
    // The client has given up on it: whatever it is answered, nobody looks, and nobody is to be asked for it.
    if (inFlight.cancelled) return false;
    try {
      const decision = await this.#wait<'retry' | 'pass_through'>(recover);
      return decision === 'retry' && !inFlight.cancelled && this.#outgoing.isReplayable;
    } catch (error) {
      if (inFlight.cancelled) return false;
      throw error;
    }
  }

  /** Waits for an answer of the native part, or until nobody waits for the request any more. */
  #wait<T>(answer: (cancel: NativeCancel) => Promise<string>): Promise<T> {
    return this.#inFlight.waiting((cancel) => this.#unwrap<T>(answer(cancel)));
  }

  async #unwrap<T>(answer: string | Promise<string>): Promise<T> {
    try {
      return unwrap(await answer);
    } catch (error) {
      this.#outgoing.signal?.throwIfAborted();
      throw error;
    }
  }

  /** Looks for a challenge in what a tool answered. */
  async #look(response: Response): Promise<Response> {
    const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
    if (type === 'text/event-stream') return withWatchedEvents(response, (data) => this.#replace(data));
    if (type !== 'application/json') return response;
    const bytes = Buffer.from(await response.arrayBuffer());
    const again = mentionsChallenge(bytes) && (await this.#recoverFrom(bytes.toString()));
    return again ? this.send() : withBody(response, bytes);
  }

  #recoverFrom(answered: string): Promise<boolean> {
    const { message } = this.#outgoing;
    return this.#isRetry((cancel) => this.#native.recoverFromResult(answered, message, cancel));
  }

  /** What to put in the place of an event that may hold a challenge, once the rest of the stream has begun. */
  async #replace(data: string): Promise<Replacement> {
    try {
      return (await this.#recoverFrom(data)) ? await this.send() : undefined;
    } catch (error) {
      // A stream's reader knows no other errors than those of a stream: the reason becomes the answer to the call.
      const answer = error instanceof ReauthError && this.#native.failureAsJsonRpc(this.#outgoing.message ?? '');
      if (answer) return answer;
      throw error;
    }
  }
}

function originOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).origin : undefined;
}
