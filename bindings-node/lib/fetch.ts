import { bounded, readAll, saysTooLong, tooLong } from './bounds.js';
import type { InFlight } from './cancellation.js';
import { RequestsInFlight } from './cancellation.js';
import { flatHeaders } from './challenge.js';
import { CurrentCredential, type Ready } from './credential.js';
import { closed, isReauthError, unwrap } from './error.js';
import { httpError } from './http-error.js';
import type { native } from './native.js';
import type { Fetch } from './options.js';
import { addressOf, discard, mediaTypeOf, Outgoing } from './outgoing.js';
import type { OpenSession } from './parts.js';
import { followedAnyway, isRedirect, MAX_REDIRECTS, notFollowed, redirectTarget } from './redirect.js';
import { asJsonRpc, mentionsChallenge, type Replacement } from './tool-result.js';
import { unread } from './unread.js';
import { withWatchedEvents } from './watch.js';

/** How many addresses are remembered that the server redirected to. */
const MAX_REACHED = 16;

/** What requests are sent with. */
interface Surroundings {
  session: OpenSession;
  current: CurrentCredential;
  fetch: Fetch;
  requests: RequestsInFlight;
  /** Where the server redirected callers to that follow redirects themselves, the last ones, within the origin. */
  reached: Set<string>;
}

/**
 * A `fetch` that attaches the session's credential to requests for its server, recovers when one is rejected, and sends
 * it again. Other requests go through as they are.
 */
export function recoveringFetch(session: OpenSession, serverUrl: string, fetch: Fetch): Fetch {
  const { native } = session;
  const requests = new RequestsInFlight();
  const reached = new Set<string>();
  const surroundings = { session, fetch, requests, reached, current: new CurrentCredential(native) };
  // As the SDK writes it; whatever else there is below it, the native part knows.
  const href = new URL(serverUrl).href;
  return async (input, init) => {
    const url = addressOf(input);
    if (native.isClosed()) throw closed();
    if (url !== href && !reached.has(url) && !native.covers(url)) return fetch(input, init);
    const inFlight = requests.begin(new Outgoing(url, input, init));
    try {
      return await outlast(surroundings, inFlight);
    } finally {
      if (!inFlight.isStreaming) requests.end(inFlight);
    }
  };
}

/** Sends a request. An event stream that no caller waits for waits itself, where it cannot be authorized now. */
async function outlast(surroundings: Surroundings, inFlight: InFlight): Promise<Response> {
  let stream: native.IdleStream | null = null;
  for (;;) {
    const exchange = new Exchange(surroundings, inFlight);
    try {
      return await exchange.send();
    } catch (error) {
      if (!isReauthError(error) || !inFlight.outgoing.isIdleStream) throw error;
      stream ??= surroundings.session.native.idleStream();
      if (!stream || !(await exchange.outlast(stream, error.code))) throw error;
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
  #request: native.Request | undefined;

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
      const [response, isProved] = await this.#sendOnce();
      // Any response to a request with a proof may carry the next nonce (RFC 9449 section 8.2).
      const concerned = response.status === 401 || response.status === 403 || isProved;
      if (concerned && (await this.#recover(response))) continue;
      return this.#look(response);
    }
  }

  /** Waits until it is worth trying again after it failed by an error with that code. */
  outlast(stream: native.IdleStream, code: string): Promise<boolean> {
    return this.#wait((cancel) => stream.outlast(code, this.#native, cancel));
  }

  get #native(): native.Request {
    if (!this.#request) {
      // The user is not to be asked for what cannot be sent again.
      const ambient = this.#outgoing.isAmbient || !this.#outgoing.isReplayable;
      const request = this.#surroundings.session.native.request(ambient, this.#sent?.authorization);
      if (!request) throw closed();
      this.#request = request;
    }
    return this.#request;
  }

  /** Sends it, to where it is redirected too, and says whether by a proof, which is for one address. */
  async #sendOnce(): Promise<[Response, isProved: boolean]> {
    const outgoing = this.#outgoing;
    let { url } = outgoing;
    for (let redirects = 0; ; redirects++) {
      const credential = await this.#authorize(url);
      const response = await outgoing.send(this.#surroundings.fetch, credential, url);
      const wrong = followedAnyway(response, url);
      if (wrong) {
        await discard(response);
        throw httpError(url, wrong);
      }
      if (!isRedirect(response)) return [response, credential.includes('dpop')];
      const target = redirectTarget(url, response);
      if (outgoing.redirect === 'manual') {
        this.#remember(target);
        return [response, false];
      }
      await discard(response);
      const follows = outgoing.redirect === 'follow' && outgoing.isReplayable && redirects < MAX_REDIRECTS;
      if (target === undefined || !follows) throw notFollowed(url, response);
      url = target;
    }
  }

  /** The caller sends it there itself, if it does: what it is sent with here, it is sent with there. */
  #remember(target: string | undefined): void {
    if (target === undefined) return;
    const { reached } = this.#surroundings;
    reached.delete(target);
    reached.add(target);
    const [oldest] = reached;
    if (reached.size > MAX_REACHED && oldest !== undefined) reached.delete(oldest);
  }

  async #authorize(url: string): Promise<readonly string[]> {
    if (!this.#request) {
      this.#sent = this.#surroundings.current.get();
      if (this.#sent) return this.#sent.headers;
    }
    return this.#inFlight.waiting(async (cancel) => {
      const credential = this.#native.authorize(this.#outgoing.method, url, cancel);
      if (credential === null || Array.isArray(credential)) return credential ?? [];
      return (await this.#unwrap<string[] | null>(credential)) ?? [];
    });
  }

  /** Whether to send the request again; unless the response is the caller's, it is let go of. */
  async #recover(response: Response): Promise<boolean> {
    const { status, headers } = response;
    const { message } = this.#outgoing;
    let isOurs = true;
    try {
      const retry = await this.#isRetry((cancel) =>
        this.#native.recover(status, flatHeaders(headers), message, cancel),
      );
      isOurs = retry;
      return retry;
    } finally {
      if (isOurs) await discard(response);
    }
  }

  async #isRetry(recover: (cancel: native.Cancel) => Promise<string>): Promise<boolean> {
    const inFlight = this.#inFlight;
    // The client has given up on it: whatever it is answered, no caller looks, and the user is not to be asked for it.
    if (inFlight.cancelled) return false;
    try {
      const decision = await this.#wait<'retry' | 'pass_through'>(recover);
      return decision === 'retry' && !inFlight.cancelled && this.#outgoing.isReplayable;
    } catch (error) {
      if (inFlight.cancelled || (isReauthError(error) && !this.#outgoing.isReplayable)) return false;
      throw error;
    }
  }

  /** Waits for an answer of the native part, or until no caller waits for the request any more. */
  #wait<T>(answer: (cancel: native.Cancel) => Promise<string>): Promise<T> {
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

  /** Hands a response on, within bounds, and looks for a challenge in what a tool answered. */
  async #look(response: Response): Promise<Response> {
    const { body } = response;
    if (!body) return response;
    const { url, callsTool } = this.#outgoing;
    if (saysTooLong(response)) {
      await discard(response);
      throw tooLong(url, 'the answer');
    }
    const type = mediaTypeOf(response);
    if (response.ok && type === 'text/event-stream') return this.#watch(response);
    if (!callsTool || !response.ok || type !== 'application/json') return bounded(response, url);
    const answer = await readAll(body, url);
    if (!mentionsChallenge(answer) || !(await this.#recoverFrom(answer.toString()))) return unread(response, answer);
    return this.send();
  }

  /** Its client may cancel it as long as the stream goes on. */
  #watch(response: Response): Response {
    const { requests } = this.#surroundings;
    const { url, message, callsTool } = this.#outgoing;
    this.#inFlight.isStreaming = true;
    return withWatchedEvents(response, {
      replace: callsTool ? (data) => this.#replace(data) : undefined,
      answerTooLong: () => {
        const error = tooLong(url, 'an event');
        // A stream's reader knows no other errors than those of a stream: the reason becomes the answer to the call.
        return asJsonRpc(message, error, url) ?? error;
      },
      over: () => requests.end(this.#inFlight),
    });
  }

  #recoverFrom(answered: string): Promise<boolean> {
    const { message } = this.#outgoing;
    return this.#isRetry((cancel) => this.#native.recoverFromResult(answered, message, cancel));
  }

  /** What to put in the place of an event that may hold a challenge, once the rest of the stream has begun. */
  async #replace(data: string): Promise<Replacement> {
    try {
      if (!(await this.#recoverFrom(data))) return undefined;
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
