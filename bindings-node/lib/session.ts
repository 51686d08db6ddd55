import type { AuthProvider } from './auth-provider.js';
import { authProvider } from './auth-provider.js';
import type { CallContext, Callee } from './bridge.js';
import { bridge, register, unregister } from './bridge.js';
import type { ChallengedResponse } from './challenge.js';
import { flatHeaders, isHttpStatus } from './challenge.js';
import { closed, misconfigured, unwrap } from './error.js';
import { EventStream } from './events.js';
import { recoveringFetch } from './fetch.js';
import type { AuthHost, Callback } from './host.js';
import { callbackQuery, callHost, describe } from './host.js';
import { IdentityProviderSession } from './identity-provider.js';
import { native } from './native.js';
import type { AuthSessionOptions, Fetch } from './options.js';
import { nativeOptions } from './options.js';
import type { NativeOutcome, Outcome } from './outcome.js';
import { outcomeOf } from './outcome.js';
import { callFetch } from './outgoing-fetch.js';
import type { Scopes } from './scope.js';
import { scopeList } from './scope.js';
import { stoppable } from './stoppable.js';
import type { TokenStore } from './store.js';
import { CalledStore, nativeStore } from './store.js';
import type { AuthChallenge, ConnectionState, Operation, Revocation, SessionEvent } from './types.js';

type NativeSession = native.Session;

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
  /** Whether somebody waits: `command` (the default), or `ambient`, which never prompts. */
  trigger?: 'command' | 'ambient' | undefined;
  /** The credential that was rejected (default: the current one). */
  failed?: Authorization | undefined;
  /** Stops the waiting. What a person has begun goes on. */
  signal?: AbortSignal | undefined;
}

/** What is said along with a response. */
export interface RecoverOptions {
  /** The credential the request was sent with (default: the current one). */
  sent?: Authorization | undefined;
  /** What was being done: the JSON-RPC message as it was sent, or what it comes to. */
  operation?: string | Operation | undefined;
  /** Whether somebody waits: `command` (the default), or `ambient`, which never prompts. */
  trigger?: 'command' | 'ambient' | undefined;
  /** Stops the waiting. What a person has begun goes on. */
  signal?: AbortSignal | undefined;
}

/** The global `fetch` of the moment, which instrumentation may have replaced. */
const globalFetch: Fetch = (input, init) => globalThis.fetch(input, init);

/** The parts of a session that the application plays. */
class Parts implements Callee {
  readonly streams = new Set<EventStream>();
  readonly #options: AuthSessionOptions;
  readonly #store: CalledStore | undefined;
  /** Where events go besides. Whoever forgot the session hears nothing of it. */
  target: WeakRef<EventTarget> | undefined;

  constructor(options: AuthSessionOptions) {
    const { store } = options;
    this.#options = options;
    this.#store = store && !nativeStore(store) ? new CalledStore(store as TokenStore) : undefined;
  }

  call(method: string, input: unknown, context: CallContext): unknown {
    const { host, fetch, workloadIdentity } = this.#options;
    if (method.startsWith('store.')) return this.#store?.call(method, input as never);
    if (method === 'fetch') return callFetch(fetch as Fetch, input as never, context);
    if (method !== 'workloadIdentity') return callHost(host as AuthHost, method, input, context);
    return assertion(workloadIdentity?.((input as { audience: string }).audience, context));
  }

  tell(method: string, input: unknown): void {
    if (method === 'store.release') {
      void this.#store?.release(input as number);
      return;
    }
    const event = input as SessionEvent;
    for (const stream of this.streams) stream.push(event);
    this.target?.deref()?.dispatchEvent(new CustomEvent(event.kind, { detail: event }));
  }
}

async function assertion(given: unknown): Promise<string> {
  const assertion = await given;
  if (typeof assertion === 'string') return assertion;
  throw new TypeError(`workloadIdentity must return a text, and returned ${describe(assertion)}`);
}

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
   */
  readonly fetch: Fetch;
  /** The same as the SDK's `AuthProvider`, for programs that want that seam; {@link fetch} does more. */
  readonly authProvider: AuthProvider;
  /** The session at the organization's identity provider, if this one is enterprise-managed. */
  readonly identityProvider: IdentityProviderSession | undefined;
  readonly #native: NativeSession;
  readonly #parts: Parts;
  readonly #id: number;
  #closing: Promise<void> | undefined;

  /**
   * Opens a session: checks the set-up and reads the record. No network.
   *
   * @throws {@link ReauthError} `config`, which names the option that cannot work; `insecure_endpoint`, when the
   * server's address is neither https nor on this machine; `store`.
   */
  static async open(options: AuthSessionOptions): Promise<AuthSession> {
    const checked = nativeOptions(options);
    const parts = new Parts(options);
    const id = register(parts);
    const store = options.store && nativeStore(options.store);
    const opened = await native.Session.open(checked, bridge, id, store);
    if (typeof opened !== 'string') return new AuthSession(opened, parts, id, options);
    unregister(id, parts);
    return unwrap(opened);
  }

  private constructor(session: NativeSession, parts: Parts, id: number, options: AuthSessionOptions) {
    super();
    this.serverUrl = String(options.serverUrl);
    this.fetch = recoveringFetch(session, this.serverUrl, options.fetch ?? globalFetch);
    this.authProvider = authProvider(session, this.serverUrl);
    this.identityProvider = options.identityProvider ? new IdentityProviderSession(session) : undefined;
    this.#native = session;
    this.#parts = parts;
    this.#id = id;
    parts.target = new WeakRef(this);
  }

  /** The current credential, at once: no waiting, no lock, no I/O. `undefined` when there is none. */
  authorization(): Authorization | undefined {
    return (this.#native.authorization() as Authorization | null) ?? undefined;
  }

  /**
   * Recovers from a response, for a transport of your own: whether to send the request again, once. `false`: the response
   * is the caller's, as it is.
   *
   * @throws {@link ReauthError} when it failed for good.
   */
  async recover(response: ChallengedResponse, options: RecoverOptions = {}): Promise<boolean> {
    const { sent, operation, trigger, signal } = options;
    const request = this.#native.request(trigger === 'ambient');
    if (!request) throw closed();
    if (sent) request.setSent(sent as native.Authorization);
    const message = typeof operation === 'object' ? messageOf(operation) : operation;
    const status = response.status ?? response.statusCode;
    if (!isHttpStatus(status))
      throw misconfigured(`the response has no HTTP status: its status is ${describe(status)}`);
    const decision = await stoppable<string>(signal, (cancel) =>
      request.recover(status, flatHeaders(response.headers), message, cancel),
    );
    return decision === 'retry';
  }

  /**
   * Recovers from a challenge, whatever way it arrived. Whoever sends the request again afterwards, and hands in what
   * that is answered, has to set a limit itself.
   */
  async handleAuthChallenge(challenge: AuthChallenge, options: HandleOptions = {}): Promise<Outcome> {
    const { failed, signal, ...handling } = options;
    const credential = failed as native.Authorization | undefined;
    const outcome = await stoppable<NativeOutcome>(signal, (cancel) =>
      this.#native.handleAuthChallenge(JSON.stringify(challenge), JSON.stringify(handling), credential, cancel),
    );
    return outcomeOf(outcome);
  }

  /**
   * Whether what the store holds answers a challenge already: no network, no prompt. A window that comes back to the
   * front asks this first. `failed` is the credential that was rejected, if that is known.
   */
  async checkAuthChallengeSatisfied(challenge: AuthChallenge, failed?: Authorization): Promise<boolean> {
    const credential = failed as native.Authorization | undefined;
    return unwrap(await this.#native.checkAuthChallengeSatisfied(JSON.stringify(challenge), credential));
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
    await stoppable(options.signal, (cancel) => this.#native.completeAuthorization(query, cancel));
  }

  /**
   * Signs in now, without waiting for a request to fail; where there is a credential already, has it extended by the
   * `scopes` it lacks. `again`: has the person sign in whatever there is; until they have, that stays.
   */
  async signIn(
    options: { scopes?: Scopes; again?: boolean | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<Outcome> {
    const { scopes, again, signal } = options;
    const outcome = await stoppable<NativeOutcome>(signal, (cancel) =>
      this.#native.signIn(scopeList(scopes), again ?? false, cancel),
    );
    return outcomeOf(outcome);
  }

  /**
   * The credential with all that is needed to renew it, for handing it to another process; `undefined` when there is
   * none. It holds secrets: hand it to whom you trust, keep it nowhere.
   */
  async authState(): Promise<object | undefined> {
    return unwrap<object | null>(await this.#native.authState()) ?? undefined;
  }

  /** Takes over a credential from another process. Requests use it at once; the connection stays. */
  async setAuthState(state: object): Promise<void> {
    if (typeof state !== 'object' || state === null) {
      throw misconfigured(`the authorization state must be an object, and is ${describe(state)}`);
    }
    unwrap(await this.#native.setAuthState(JSON.stringify(state)));
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
    const stream = new EventStream((left) => this.#parts.streams.delete(left));
    if (this.#closing) stream.end();
    else this.#parts.streams.add(stream);
    return stream;
  }

  /**
   * Lets go of everything. Whoever waits for something of the session is told `cancelled`; tokens that are under way reach
   * the store first, which takes a few seconds at most. The credential stays in the store.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#native.close();
    unregister(this.#id, this.#parts);
    for (const stream of this.#parts.streams) stream.end();
    this.#parts.streams.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A message that comes to this operation. */
function messageOf({ method, toolName, promptName, resourceUri }: Operation): string {
  return JSON.stringify({ method, params: { name: toolName ?? promptName, uri: resourceUri } });
}
