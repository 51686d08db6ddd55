import { type ChallengedResponse, challengedBy } from './challenge.js';
import { ADDRESS, check, NAME, OPERATION, oneOf, SIGNAL } from './check.js';
import { closed, misconfigured } from './error.js';
import { toJson } from './json.js';
import type { native } from './native.js';
import type { OpenSession } from './parts.js';
import { isOfAnotherOrigin, ofAnotherOrigin } from './redirect.js';
import { stoppable } from './stoppable.js';
import type { Operation } from './types.js';

/** What a request is about. */
export interface RequestOptions {
  /** What it does: the JSON-RPC message as it is sent, or what that comes to. */
  operation?: string | Operation | undefined;
  /** Whether a caller waits: `command` (the default), or `ambient`, which never prompts. */
  trigger?: 'command' | 'ambient' | undefined;
  /** Stops the waiting. What a person has begun goes on. */
  signal?: AbortSignal | undefined;
}

const REQUEST = { operation: OPERATION, trigger: oneOf('command', 'ambient'), signal: SIGNAL };
const SENDING = { method: NAME, url: ADDRESS };

/**
 * One request of a transport of your own, remembered over all tries, so that recovery is bounded. Ask it before each try
 * and after each response:
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
 * `session.fetch` does more: it follows redirects, looks into results of tools and event streams, and lets an idle stream
 * wait.
 */
export class ResourceRequest {
  /** All of it: what the native part calls lives as long as this. */
  readonly #session: OpenSession;
  readonly #serverUrl: string;
  readonly #request: native.Request;
  readonly #message: string | undefined;
  readonly #signal: AbortSignal | undefined;

  /** @internal Begin one by `session.request`. */
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
   * The header fields to send it with, by lower-case name: `authorization`, and `dpop` where the token is bound to a key; none
   * when there is no credential. They are secrets, for this one try. A credential that is about to expire is renewed
   * first.
   *
   * By default it is sent by POST to the server's address.
   *
   * @throws {@link ReauthError} `config` when the credential is not for that address; `host` when a key could not be used.
   */
  async authorize(options: { method?: string; url?: string | URL } = {}): Promise<Record<string, string>> {
    const { method = 'POST', url = this.#serverUrl } = check(options, SENDING);
    if (this.#session.parts.isClosed) throw closed();
    if (!this.#session.native.appliesTo(url)) {
      throw misconfigured('url is not an address of the server, and the credential is for no other');
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
   * Recovers from a response: whether to send the request again. `false`: the response is the caller's, as it is. Hand in
   * every response: for a token that is bound to a key, any may carry the next nonce.
   *
   * @throws {@link ReauthError} when the request failed for good; `http` when another origin answered than the server's, by
   * way of a redirect: send your requests with `redirect: 'manual'`.
   */
  async recover(response: ChallengedResponse): Promise<boolean> {
    const [status, headers] = challengedBy(response);
    if (this.#session.parts.isClosed) throw closed();
    if (isOfAnotherOrigin(response as { url?: unknown }, this.#serverUrl)) throw ofAnotherOrigin(this.#serverUrl);
    const decision = await stoppable<string>(this.#signal, (cancel) =>
      this.#request.recover(status, headers, this.#message, cancel),
    );
    return decision === 'retry';
  }
}
