import { type ChallengedResponse, challengedBy } from './challenge.js';
import { ADDRESS, check, NAME, OPERATION, oneOf, SIGNAL } from './check.js';
import { closed, misconfigured } from './error.js';
import { toJson } from './json.js';
import type { native } from './native.js';
import type { OpenSession } from './parts.js';
import { isOfAnotherOrigin, ofAnotherOrigin } from './redirect.js';
import { stoppable } from './stoppable.js';
import type { Operation } from './types.js';

/** The options of a {@link ResourceRequest}. */
export interface RequestOptions {
  /** The operation: the JSON-RPC message, or an {@link Operation}. */
  operation?: string | Operation | undefined;
  /** `command` (default) if a caller waits, or `ambient`, which never prompts. */
  trigger?: 'command' | 'ambient' | undefined;
  /** Ends the wait. A sign-in that the user has started continues. */
  signal?: AbortSignal | undefined;
}

const REQUEST = { operation: OPERATION, trigger: oneOf('command', 'ambient'), signal: SIGNAL };
const SENDING = { method: NAME, url: ADDRESS };

/**
 * One request of your own transport, with all its tries, so that recovery is bounded. Call it before each try and after
 * each response:
 *
 * ```ts
 * const request = session.request({ operation: body })
 * for (;;) {
 *   const headers = { ...own, ...(await request.authorize()) }
 *   const response = await fetch(session.serverUrl, { method: 'POST', headers, body, redirect: 'manual' })
 *   if (!(await request.recover(response))) return response
 * }
 * ```
 *
 * `session.fetch` does more: it follows redirects, inspects tool results and event streams, and lets an idle stream
 * wait.
 */
export class ResourceRequest {
  /** Keeps alive what the native part calls. */
  readonly #session: OpenSession;
  readonly #serverUrl: string;
  readonly #request: native.Request;
  readonly #message: string | undefined;
  readonly #signal: AbortSignal | undefined;

  /** @internal Created by `session.request`. */
  constructor(session: OpenSession, serverUrl: string, options: RequestOptions) {
    const { operation, trigger, signal } = check(options, REQUEST);
    const about = typeof operation === 'object' ? toJson(operation, 'operation') : undefined;
    const request = session.native.request(trigger === 'ambient', about);
    if (!request) throw closed();
    this.#session = session;
    this.#serverUrl = serverUrl;
    this.#request = request;
    this.#message = typeof operation === 'string' ? operation : undefined;
    this.#signal = signal;
  }

  /**
   * Returns the header fields to send, by lower-case name: `authorization`, and `dpop` if the token is bound to a key;
   * none without a credential. They are secrets, for this try only. Renews a credential that is about to expire first.
   *
   * By default the request is a POST to the server's address.
   *
   * @throws {@link ReauthError} `config` if the credential is not for that address; `host` if a key could not be used.
   */
  async authorize(options: { method?: string; url?: string | URL } = {}): Promise<Record<string, string>> {
    const { method = 'POST', url = this.#serverUrl } = check(options, SENDING);
    if (this.#session.parts.isClosed) throw closed();
    if (!this.#session.native.appliesTo(url)) {
      throw misconfigured('url is not a URL of the server, and the credential is only for that server');
    }
    const credential = await stoppable<string[] | null>(this.#signal, async (cancel) => {
      const given = this.#request.authorize(method, url, cancel);
      return typeof given === 'string' || given instanceof Promise ? given : JSON.stringify({ ok: given });
    });
    const fields: Record<string, string> = {};
    for (let i = 0; credential && i + 1 < credential.length; i += 2)
      fields[credential[i] as string] = credential[i + 1] as string;
    return fields;
  }

  /**
   * Recovers from a response, and returns whether to send the request again. `false`: the response is for the caller,
   * unchanged. Pass every response: with a token that is bound to a key, any response may carry the next nonce.
   *
   * @throws {@link ReauthError} if the request failed for good; `http` if a redirect led to another origin: send your
   * requests with `redirect: 'manual'`.
   */
  async recover(response: ChallengedResponse): Promise<boolean> {
    const [status, headers] = challengedBy(response);
    if (this.#session.parts.isClosed) throw closed();
    if (isOfAnotherOrigin(response as { url?: unknown }, this.#serverUrl)) throw ofAnotherOrigin(this.#serverUrl);
    try {
      const decision = await stoppable<string>(this.#signal, (cancel) =>
        this.#request.recover(status, headers, this.#message, cancel),
      );
      return decision === 'retry';
    } finally {
      this.#session.parts.current.forget();
    }
  }
}
