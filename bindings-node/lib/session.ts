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
 * A credential: the value of an `Authorization` header, and what it stands for. Requests are told apart by the one they
 * carried, so keep it until the response is here.
 */
export interface Authorization {
  /** The value of the header. It is a secret: send it to the MCP server, nowhere else. */
  readonly headerValue: string;
  /** The scopes it was granted. */
  readonly scopes: string[];
  /** Whether each request needs a proof besides (RFC 9449), which `session.fetch` makes. */
  readonly needsProof: boolean;
  /** Whether both were granted at once. */
  equals(other: Authorization): boolean;
}

/** What is said along with a challenge. */
export interface HandleOptions {
  /** The person has agreed to this step-up already. */
  confirmedStepUp?: boolean | undefined;
  /** Whether a caller waits: `command` (the default), or `ambient`, which never prompts. */
  trigger?: 'command' | 'ambient' | undefined;
  /** The credential that was rejected (default: the current one). */
  failed?: Authorization | undefined;
  /** Stops the waiting. What a person has begun goes on. */
  signal?: AbortSignal | undefined;
}

const TRIGGER = oneOf('command', 'ambient');
const HANDLING = { confirmedStepUp: FLAG, trigger: TRIGGER, failed: CREDENTIAL, signal: SIGNAL };
const SIGNING_IN = { scopes: SCOPES, again: FLAG, signal: SIGNAL };
const COMPLETING = { signal: SIGNAL };

/** Listens to events of one kind; their `detail` has what happened. */
type Listener<K extends SessionEvent['kind']> = (event: CustomEvent<Extract<SessionEvent, { kind: K }>>) => void;
type AnyListener = Parameters<EventTarget['addEventListener']>[1];
type ListenerOptions = Parameters<EventTarget['addEventListener']>[2];

/** The methods of `EventTarget`, for the kinds of events there are. */
export interface AuthSession {
  addEventListener<K extends SessionEvent['kind']>(kind: K, listener: Listener<K>, options?: ListenerOptions): void;
  addEventListener(type: string, listener: AnyListener, options?: ListenerOptions): void;
  removeEventListener<K extends SessionEvent['kind']>(kind: K, listener: Listener<K>, options?: ListenerOptions): void;
  removeEventListener(type: string, listener: AnyListener, options?: ListenerOptions): void;
}

/**
 * One client's authorization for one MCP server: one per connection.
 *
 * ```ts
 * const session = await AuthSession.open({ serverUrl, clientName: 'My client', host: loopbackHost() })
 * const transport = new StreamableHTTPClientTransport(new URL(serverUrl), { fetch: session.fetch })
 * ```
 *
 * It is an `EventTarget` for what happens ({@link SessionEvent}): `session.addEventListener('renewed', ...)`.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the interface narrows inherited methods, and adds none.
export class AuthSession extends EventTarget {
  /** The MCP server's address. */
  readonly serverUrl: string;
  /**
   * A `fetch` for the official SDK's transports, 1.x and 2.x, and anything else that takes one. It attaches the
   * credential to requests for the server, recovers when it is rejected, and sends the request again; a failure that
   * is final is thrown as {@link ReauthError}. Requests to other addresses go through as they are.
   *
   * It knows a JSON-RPC message by a body that is a text, as the SDK sends it. Any other body is sent, and sent again,
   * just as well; but the application is not told what tool it was for, nor are the results of tools looked into.
   */
  readonly fetch: Fetch;
  /** The same as the SDK's `AuthProvider`, for programs that want that seam; {@link fetch} does more. */
  readonly authProvider: AuthProvider;
  /** The session at the organization's identity provider, if this one is enterprise-managed. */
  readonly identityProvider: IdentityProviderSession | undefined;
  readonly #session: OpenSession;
  #closing: Promise<void> | undefined;

  /**
   * Opens a session: checks the set-up and reads the record. No network.
   *
   * @throws {@link ReauthError} `config`, which names the option that cannot work; `insecure_endpoint`, when the
   * server's address is neither https nor on this machine; `store`.
   */
  static async open(options: AuthSessionOptions): Promise<AuthSession> {
    const checked = checkOptions(options);
    const parts = new Parts(checked);
    const { place } = parts;
    const store = checked.store && nativeStore(checked.store);
    // It is held: the caller that waits for this holds nothing else of it yet.
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

  /** The current credential, at once: no waiting, no lock, no I/O. `undefined` when there is none. */
  authorization(): Authorization | undefined {
    return this.#session.native.authorization() ?? undefined;
  }

  /** Begins a request of a transport of your own: what it is sent with, and what to do about what it is answered. */
  request(options: RequestOptions = {}): ResourceRequest {
    if (this.#closing) throw closed();
    return new ResourceRequest(this.#session, this.serverUrl, options);
  }

  /**
   * Recovers from a challenge, whatever way it arrived. A caller that sends the request again afterwards, and hands in
   * what that is answered, has to set a limit itself.
   */
  async handleAuthChallenge(challenge: AuthChallenge, options: HandleOptions = {}): Promise<Outcome> {
    const { failed, signal, ...handling } = check(options, HANDLING);
    const json = [challengeJson(challenge), toJson(handling, 'the options')] as const;
    const outcome = await stoppable<NativeOutcome>(signal, (cancel) =>
      this.#native.handleAuthChallenge(...json, failed, cancel),
    );
    return this.#outcome(outcome);
  }

  /**
   * Whether what the store holds answers a challenge already: no network, no prompt. A window that comes back to the
   * front asks this first. `failed` is the credential that was rejected, if that is known.
   */
  async checkAuthChallengeSatisfied(challenge: AuthChallenge, failed?: Authorization): Promise<boolean> {
    const { failed: credential } = check({ failed }, HANDLING);
    const json = challengeJson(challenge);
    return unwrap(await this.#native.checkAuthChallengeSatisfied(json, credential));
  }

  /**
   * Finishes an authorization with its callback, in this process or after a restart.
   *
   * ```ts
   * app.get('/oauth/callback', async (request, response) => {
   *   await session.completeAuthorization(new URL(request.url, 'http://localhost'))
   *   response.redirect('/')
   * })
   * ```
   *
   * @throws {@link ReauthError} `state_mismatch` when no authorization with this `state` is under way;
   * `issuer_mismatch` when the answer is not from where the person was sent; `authorization_denied` when it is a no;
   * `scope_not_granted` when it grants less than was required (it is kept all the same).
   */
  async completeAuthorization(callback: Callback, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const query = callbackQuery(callback, 'the callback');
    const { signal } = check(options, COMPLETING);
    await stoppable(signal, (cancel) => this.#native.completeAuthorization(query, cancel));
  }

  /**
   * Signs in now, without waiting for a request to fail; where there is a credential already, has it extended by the
   * `scopes` it lacks. `again`: has the person sign in whatever there is; until they have, that stays.
   *
   * It tells how that ended, and so does {@link handleAuthChallenge}: look at `kind`, since a failure is not thrown but
   * for what stopped it (`cancelled`) and what is wrong with the call (`config`).
   */
  async signIn(
    options: { scopes?: Scopes; again?: boolean | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<Outcome> {
    const { scopes = [], again = false, signal } = check(options, SIGNING_IN);
    const outcome = await stoppable<NativeOutcome>(signal, (cancel) => this.#native.signIn(scopes, again, cancel));
    return this.#outcome(outcome);
  }

  /**
   * The credential with all that is needed to renew it, for handing it to another process; `undefined` when there is
   * none. It holds secrets: hand it only to a process that you trust, keep it nowhere.
   */
  async authState(): Promise<object | undefined> {
    return unwrap<object | null>(await this.#native.authState()) ?? undefined;
  }

  /** Takes over a credential from another process. Requests use it at once; the connection stays. */
  async setAuthState(state: object): Promise<void> {
    if (!isObject(state)) throw misconfigured(`the authorization state must be an object, and is ${describe(state)}`);
    unwrap(await this.#native.setAuthState(toJson(state, 'the authorization state')));
  }

  /** What is known of the connection's authorization. From the store alone, no network. */
  async connectionState(): Promise<ConnectionState> {
    return unwrap(await this.#native.connectionState());
  }

  /** Signs out: revokes the tokens where the server does that (RFC 7009), and clears the store in any case. */
  async signOut(): Promise<Revocation> {
    return unwrap(await this.#native.signOut());
  }

  /**
   * What happens from now on, in order.
   *
   * ```ts
   * for await (const event of session.events()) console.log(event.kind)
   * ```
   */
  events(): AsyncIterableIterator<SessionEvent> {
    const { streams } = this.#session.parts;
    // The code that reads them holds the session.
    const stream = new EventStream((left) => this.#session.parts.streams.delete(left));
    if (this.#closing) stream.end();
    else streams.add(stream);
    return stream;
  }

  /**
   * Lets go of everything. A caller that waits for something of the session gets `cancelled`; tokens that are under way
   * reach the store first, which is waited for as long as a call to a server may take: 25 seconds at most. The
   * credential stays in the store.
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

  /** What an operation came to. That the session was closed meanwhile is no outcome of it. */
  #outcome(outcome: NativeOutcome): Outcome {
    if (outcome.kind === 'failed' && outcome.error.code === 'cancelled' && this.#closing) throw closed();
    return outcomeOf(outcome);
  }

  /** The native session, as long as it is open. */
  get #native(): native.Session {
    if (this.#closing) throw closed();
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
