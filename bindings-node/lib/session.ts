import type { AuthProvider } from './auth-provider.js';
import { authProvider } from './auth-provider.js';
import { bridge } from './bridge.js';
import { CREDENTIAL, check, FLAG, isObject, oneOf, SCOPES, SIGNAL } from './check.js';
import { describe, memberOf } from './describe.js';
import { closed, misconfigured, unwrap } from './error.js';
import { EventStream } from './events.js';
import { recoveringFetch } from './fetch.js';
import { type Callback, callbackQuery } from './host.js';
import { IdentityProviderSession } from './identity-provider.js';
import { toJson } from './json.js';
import { native } from './native.js';
import { type AuthSessionOptions, type CheckedOptions, checkOptions, type Fetch } from './options.js';
import { type NativeOutcome, type Outcome, outcomeOf } from './outcome.js';
import { type OpenSession, Parts } from './parts.js';
import { type RequestOptions, ResourceRequest } from './request.js';
import type { Scopes } from './scope.js';
import { stoppable } from './stoppable.js';
import { leasesWithin, nativeStore } from './store.js';
import type { AuthChallenge, ConnectionState, Revocation, SessionEvent } from './types.js';

/**
 * A credential: the value of an `Authorization` header, and its facts. A rejected request is identified by the
 * credential it was sent with, so keep it until the response arrives.
 */
export interface Authorization {
  /** The value of the header. It is a secret: send it to the MCP server only. */
  readonly headerValue: string;
  /** The granted scopes. */
  readonly scopes: string[];
  /** Whether each request also needs a DPoP proof (RFC 9449). `session.fetch` adds it. */
  readonly needsProof: boolean;
  /** Whether both come from the same grant. */
  equals(other: Authorization): boolean;
}

/** The options of {@link AuthSession.handleAuthChallenge}. */
export interface HandleOptions {
  /** The user has already agreed to this step-up. */
  confirmedStepUp?: boolean | undefined;
  /** `command` (default) if a caller waits, or `ambient`, which never prompts. */
  trigger?: 'command' | 'ambient' | undefined;
  /** The rejected credential (default: the current one). */
  failed?: Authorization | undefined;
  /** Ends the wait. A sign-in that the user has started continues. */
  signal?: AbortSignal | undefined;
}

const TRIGGER = oneOf('command', 'ambient');
const HANDLING = { confirmedStepUp: FLAG, trigger: TRIGGER, failed: CREDENTIAL, signal: SIGNAL };
const SIGNING_IN = { scopes: SCOPES, again: FLAG, signal: SIGNAL };
const COMPLETING = { signal: SIGNAL };

/** A listener for events of one kind; `detail` is the event. */
type Listener<K extends SessionEvent['kind']> = (event: CustomEvent<Extract<SessionEvent, { kind: K }>>) => void;
type AnyListener = Parameters<EventTarget['addEventListener']>[1];
type ListenerOptions = Parameters<EventTarget['addEventListener']>[2];

/** The methods of `EventTarget`, typed for the kinds of events. */
export interface AuthSession {
  addEventListener<K extends SessionEvent['kind']>(kind: K, listener: Listener<K>, options?: ListenerOptions): void;
  addEventListener(type: string, listener: AnyListener, options?: ListenerOptions): void;
  removeEventListener<K extends SessionEvent['kind']>(kind: K, listener: Listener<K>, options?: ListenerOptions): void;
  removeEventListener(type: string, listener: AnyListener, options?: ListenerOptions): void;
}

/**
 * One client's authorization for one MCP server: one for each connection.
 *
 * ```ts
 * const session = await AuthSession.open({ serverUrl, clientName: 'My client', host: loopbackHost() })
 * const transport = new StreamableHTTPClientTransport(new URL(serverUrl), { fetch: session.fetch })
 * ```
 *
 * It is an `EventTarget` for each {@link SessionEvent}: `session.addEventListener('renewed', ...)`.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface narrows inherited methods, and adds none.
export class AuthSession extends EventTarget {
  /** The MCP server's address. */
  readonly serverUrl: string;
  /**
   * A `fetch` for the official SDK's transports, 1.x and 2.x, and for any other client. It attaches the credential to
   * requests for the server, recovers when the server rejects it, and sends the request again; it throws a final
   * failure as {@link ReauthError}. Requests to other addresses pass unchanged.
   *
   * It recognizes a JSON-RPC message only if the body is a string, as the SDK sends it. Any other body is sent and
   * repeated too, but the application does not learn which tool it called, and tool results are not inspected.
   */
  readonly fetch: Fetch;
  /** The session as the SDK's `AuthProvider`, for programs that use that interface; {@link fetch} does more. */
  readonly authProvider: AuthProvider;
  /** The session at the organization's identity provider, if access is enterprise-managed. */
  readonly identityProvider: IdentityProviderSession | undefined;
  readonly #session: OpenSession;
  #closing: Promise<void> | undefined;

  /**
   * Opens a session: validates the options and reads the record. No network requests.
   *
   * @throws {@link ReauthError} `config`, which names the invalid option; `insecure_endpoint`, if the server's address
   * is neither https nor loopback; `store`.
   */
  static async open(options: AuthSessionOptions): Promise<AuthSession> {
    const checked = checkOptions(options);
    const parts = new Parts(checked);
    const { place } = parts;
    const store = checked.store && nativeStore(checked.store);
    // Held strongly: the caller that awaits this has no other reference to it yet.
    place.hold();
    const leases = checked.store && leasesWithin(checked.store);
    const opened = await native.Session.open(checked.json, bridge, place.id, store, leases);
    place.letGo();
    if (typeof opened !== 'string') return new AuthSession({ native: opened, parts }, checked);
    place.leave();
    return unwrap(opened);
  }

  private constructor(session: OpenSession, options: CheckedOptions) {
    super();
    if (!(session?.parts instanceof Parts)) throw misconfigured('a session is opened by AuthSession.open');
    this.serverUrl = options.serverUrl;
    this.fetch = recoveringFetch(session, this.serverUrl, options.fetch, options.isPlatformFetch);
    this.authProvider = authProvider(session, this.serverUrl);
    this.identityProvider = options.isEnterprise ? new IdentityProviderSession(session) : undefined;
    this.#session = session;
    session.parts.target = new WeakRef(this);
  }

  /** Returns the current credential without waiting, locks or I/O; `undefined` if there is none. */
  authorization(): Authorization | undefined {
    return this.#session.native.authorization() ?? undefined;
  }

  /** Begins a request of your own transport. */
  request(options: RequestOptions = {}): ResourceRequest {
    if (this.#closing) throw closed();
    return new ResourceRequest(this.#session, this.serverUrl, options);
  }

  /**
   * Recovers from a challenge that arrived by any route. A caller that repeats the request and passes the next
   * challenge must limit the number of tries itself.
   */
  async handleAuthChallenge(challenge: AuthChallenge, options: HandleOptions = {}): Promise<Outcome> {
    const { failed, signal, ...handling } = check(options, HANDLING);
    const json = [challengeJson(challenge), toJson(handling, 'the options')] as const;
    const recovering = stoppable<NativeOutcome>(signal, (cancel) =>
      this.#native.handleAuthChallenge(...json, failed, cancel),
    );
    return this.#outcome(await this.#changing(recovering));
  }

  /**
   * Whether the stored credential already satisfies a challenge: no network, no prompt. For a window that returns to
   * the foreground. `failed` is the rejected credential, if known.
   */
  async checkAuthChallengeSatisfied(challenge: AuthChallenge, failed?: Authorization): Promise<boolean> {
    const { failed: credential } = check({ failed }, HANDLING);
    const json = challengeJson(challenge);
    return unwrap(await this.#native.checkAuthChallengeSatisfied(json, credential));
  }

  /**
   * Completes an authorization with its callback, in this process or after a restart.
   *
   * ```ts
   * app.get('/oauth/callback', async (request, response) => {
   *   await session.completeAuthorization(new URL(request.url, 'http://localhost'))
   *   response.redirect('/')
   * })
   * ```
   *
   * @throws {@link ReauthError} `state_mismatch` if no pending authorization has this `state`; `issuer_mismatch` if the
   * callback is not from the issuer that the user was sent to; `authorization_denied` if access was denied;
   * `scope_not_granted` if fewer scopes than required were granted (the grant is kept all the same).
   */
  async completeAuthorization(callback: Callback, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const query = callbackQuery(callback, 'the callback');
    const { signal } = check(options, COMPLETING);
    await this.#changing(stoppable(signal, (cancel) => this.#native.completeAuthorization(query, cancel)));
  }

  /**
   * Signs in now, without waiting for a request to fail; extends an existing credential by the `scopes` it lacks.
   * `again`: the user signs in in any case, and the existing credential stays until then.
   *
   * Like {@link handleAuthChallenge}, it returns failures: check `kind`. It throws only if it was cancelled
   * (`cancelled`) or called with invalid arguments (`config`).
   */
  async signIn(
    options: { scopes?: Scopes; again?: boolean | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<Outcome> {
    const { scopes = [], again = false, signal } = check(options, SIGNING_IN);
    const signingIn = stoppable<NativeOutcome>(signal, (cancel) => this.#native.signIn(scopes, again, cancel));
    return this.#outcome(await this.#changing(signingIn));
  }

  /**
   * The credential with everything needed to renew it, to pass to another process; `undefined` if there is none. It
   * holds secrets: pass it only to a process that you trust, and do not store it.
   */
  async authState(): Promise<object | undefined> {
    return unwrap<object | null>(await this.#native.authState()) ?? undefined;
  }

  /** Adopts a credential from another process. Requests use it immediately; the connection stays open. */
  async setAuthState(state: object): Promise<void> {
    if (!isObject(state)) throw misconfigured(`the authorization state must be an object, and is ${describe(state)}`);
    unwrap(await this.#changing(this.#native.setAuthState(toJson(state, 'the authorization state'))));
  }

  /** Returns the state of the connection's authorization, from the store alone, without network requests. */
  async connectionState(): Promise<ConnectionState> {
    return unwrap(await this.#native.connectionState());
  }

  /** Signs out: revokes the tokens if the server supports it (RFC 7009), and clears the store in any case. */
  async signOut(): Promise<Revocation> {
    return unwrap(await this.#changing(this.#native.signOut()));
  }

  /**
   * The events from now on, in order.
   *
   * ```ts
   * for await (const event of session.events()) console.log(event.kind)
   * ```
   */
  events(): AsyncIterableIterator<SessionEvent> {
    const { streams } = this.#session.parts;
    // The closure keeps the session alive while the events are read.
    const stream = new EventStream((left) => this.#session.parts.streams.delete(left));
    if (this.#closing) stream.end();
    else streams.add(stream);
    return stream;
  }

  /**
   * Closes the session. Pending operations end as `cancelled`. Waits up to 25 seconds, longer than a call to a server
   * may take, until pending tokens are stored. The credential stays in the store.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { parts } = this.#session;
    const { place, streams } = parts;
    parts.isClosed = true;
    await this.#session.native.close();
    place.leave();
    for (const stream of streams) stream.end();
    streams.clear();
  }

  /** Converts an outcome. If the session was closed meanwhile, throws instead. */
  #outcome(outcome: NativeOutcome): Outcome {
    if (outcome.kind === 'failed' && outcome.error.code === 'cancelled' && this.#closing) throw closed();
    return outcomeOf(outcome);
  }

  /** Waits for an operation, which may change the credential. */
  async #changing<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      this.#session.parts.current.forget();
    }
  }

  /** The native session; throws if it is closed. */
  get #native(): native.Session {
    if (this.#closing) throw closed();
    this.#session.parts.current.forget();
    return this.#session.native;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function challengeJson(challenge: AuthChallenge): string {
  if (typeof memberOf(challenge, 'reason') === 'string') return toJson(challenge, 'the challenge');
  const advice = 'authChallengeFromError finds that of an error';
  throw misconfigured(`the challenge must be an AuthChallenge, and is ${describe(challenge)}; ${advice}`);
}
