import { misconfigured } from './error.js';
import type { AuthHost, HostContext } from './host.js';
import { describe } from './host.js';
import type { Scopes } from './scope.js';
import { scopeList } from './scope.js';
import type { TokenStore } from './store.js';
import { type FileStore, type MemoryStore, nativeStore } from './store.js';
import type { Awaitable } from './types.js';

/** `fetch`, as far as a session calls it. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** What a session may do by itself. The defaults suit a program with a person in front of it. */
export interface Policy {
  /** When a server asks for more scope: ask the person and authorize again (the default), or fail at once. */
  onInsufficientScope?: 'reauthorize' | 'throw' | undefined;
  /** How many step-ups one request may go through (default 1); 0 is as `throw`. */
  maxStepUpRetries?: number | undefined;
  /** Whether people are asked before an enterprise session extends access silently (default no). */
  confirmEnterpriseStepUp?: boolean | undefined;
  /** Whether a person may be involved at all (default yes). */
  interaction?: boolean | undefined;
  /** How long before expiry a credential is renewed, in milliseconds (default 30,000). */
  refreshAheadMs?: number | undefined;
  /** How long a person may take to answer or to sign in, in milliseconds (default 900,000). */
  interactionTimeoutMs?: number | undefined;
}

/** An organization's identity provider, and the client that this program is there. */
export interface IdentityProviderOptions {
  /** Its issuer identifier, exactly as it is. */
  issuer: string;
  /** The id that this program is registered by there. */
  clientId: string;
  /** The client's secret, if it has one. */
  clientSecret?: string | undefined;
  /** The client's private key, if it has one: PEM, or a JWK as JSON. */
  clientKey?: string | undefined;
  /** Whether it is to be used (default yes). What is switched off is another error than what is not configured. */
  enabled?: boolean | undefined;
}

/** What a session is opened with. */
export interface AuthSessionOptions {
  /** The MCP server. A text is kept exactly as it is. */
  serverUrl: string | URL;
  /** The name shown on consent pages (default `mcp-reauth`). */
  clientName?: string | undefined;
  /** A client that is registered already. */
  clientId?: string | undefined;
  /** Its secret, if it has one. */
  clientSecret?: string | undefined;
  /** Its private key, if it has one (`private_key_jwt`, RFC 7523): PEM, or a JWK as JSON. */
  clientKey?: string | undefined;
  /** The authorization server that `clientId` is registered at. Its secret goes nowhere else. */
  clientIssuer?: string | undefined;
  /** An https address that serves the client's metadata, and is its id wherever that is supported. */
  clientMetadataUrl?: string | URL | undefined;
  /** The client acts for itself (RFC 6749 section 4.4): no person, no host. */
  clientCredentials?: boolean | undefined;
  /**
   * The client is a workload whose platform vouches for it (RFC 7523 section 2.1): gives a fresh assertion for the
   * authorization server whose issuer is `audience`.
   */
  workloadIdentity?: ((audience: string, context: HostContext) => Awaitable<string>) | undefined;
  /** Access is managed by an organization. `null`: it is meant to be, and is not configured. */
  identityProvider?: IdentityProviderOptions | null | undefined;
  /** Scopes to ask for in any case, besides what the server asks for. */
  scopes?: Scopes;
  /** Whose authorization it is (default `default`). Profiles never share anything. */
  profile?: string | undefined;
  /** What the session may do by itself. */
  policy?: Policy | undefined;
  /** When tokens are bound to a key (RFC 9449): where the server asks for it (the default), or always. */
  dpop?: 'when_asked' | 'always' | undefined;
  /** The private key that tokens are bound to: PEM, or a JWK as JSON. By default one of the session's own. */
  dpopKey?: string | undefined;
  /** Whether to send resource indicators (RFC 8707; default yes). Some servers reject them. */
  sendResource?: boolean | undefined;
  /** Whether authorization requests are pushed where that is offered (RFC 9126; default no). */
  pushRequests?: boolean | undefined;
  /** Where callbacks come, for a host that does not say so itself. */
  redirectUri?: string | URL | undefined;
  /** Where records live (default: in memory, for this session alone). */
  store?: MemoryStore | FileStore | TokenStore | undefined;
  /** The application: asks, shows. Without one, nothing that needs a person is done. */
  host?: AuthHost | undefined;
  /**
   * What sends requests: those of `session.fetch`, and those of the authorization protocol. By default the former go
   * by the global `fetch`, the latter by an HTTP client of this package, which honours `HTTPS_PROXY`.
   */
  fetch?: Fetch | undefined;
}

type Test = (value: unknown) => boolean;

const is = {
  text: (value: unknown) => typeof value === 'string' && value !== '',
  flag: (value: unknown) => typeof value === 'boolean',
  address: (value: unknown) => typeof value === 'string' || value instanceof URL,
  callable: (value: unknown) => typeof value === 'function',
  object: (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value),
  milliseconds: (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0,
  count: (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255,
  scopes: (value: unknown) =>
    typeof value === 'string' ||
    (is.object(value) || Array.isArray(value)
      ? Symbol.iterator in (value as object) && [...(value as Iterable<unknown>)].every((s) => typeof s === 'string')
      : false),
  one:
    (...words: string[]): Test =>
    (value) =>
      words.includes(value as string),
};

const TEXT: [Test, string] = [is.text, 'a text'];
const FLAG: [Test, string] = [is.flag, 'true or false'];
const ADDRESS: [Test, string] = [is.address, 'an address: a text or a URL'];
const MILLISECONDS: [Test, string] = [is.milliseconds, 'a whole number of milliseconds'];

/** What each option must be, and how that is said. */
const OPTIONS: Record<keyof AuthSessionOptions, [Test, string]> = {
  serverUrl: ADDRESS,
  clientName: TEXT,
  clientId: TEXT,
  clientSecret: TEXT,
  clientKey: TEXT,
  clientIssuer: TEXT,
  clientMetadataUrl: ADDRESS,
  clientCredentials: FLAG,
  workloadIdentity: [is.callable, 'a function'],
  identityProvider: [is.object, 'an object with issuer and clientId, or null'],
  scopes: [is.scopes, 'a text or a list of texts'],
  profile: TEXT,
  policy: [is.object, 'an object'],
  dpop: [is.one('when_asked', 'always'), "'when_asked' or 'always'"],
  dpopKey: TEXT,
  sendResource: FLAG,
  pushRequests: FLAG,
  redirectUri: ADDRESS,
  store: [is.object, 'a MemoryStore, a FileStore, or an object with load and save'],
  host: [is.object, 'an object with confirmStepUp and authorize'],
  fetch: [is.callable, 'a function'],
};

const POLICY: Record<keyof Policy, [Test, string]> = {
  onInsufficientScope: [is.one('reauthorize', 'throw'), "'reauthorize' or 'throw'"],
  maxStepUpRetries: [is.count, 'a whole number from 0 to 255'],
  confirmEnterpriseStepUp: FLAG,
  interaction: FLAG,
  refreshAheadMs: MILLISECONDS,
  interactionTimeoutMs: MILLISECONDS,
};

const PROVIDER: Record<keyof IdentityProviderOptions, [Test, string]> = {
  issuer: TEXT,
  clientId: TEXT,
  clientSecret: TEXT,
  clientKey: TEXT,
  enabled: FLAG,
};

/** Checks what is given, and returns what of it is known and not `undefined`. */
function check<T extends object>(given: T, known: Record<keyof T, [Test, string]>, prefix = ''): Partial<T> {
  const checked: Partial<T> = {};
  for (const [name, [test, what]] of Object.entries(known) as [keyof T & string, [Test, string]][]) {
    const value = given[name];
    if (value === undefined) continue;
    if (!test(value) && !(value === null && what.endsWith('or null'))) {
      throw misconfigured(`${prefix}${name} must be ${what}, and is ${describe(value)}`);
    }
    checked[name] = value;
  }
  return checked;
}

/** Checks the options, and returns them in the form that the native part reads. */
export function nativeOptions(options: AuthSessionOptions): string {
  if (!is.object(options)) throw misconfigured(`the options must be an object, and are ${describe(options)}`);
  const { workloadIdentity, identityProvider, policy, scopes, store, host, fetch, redirectUri, ...plain } = check(
    options,
    OPTIONS,
  );
  if (plain.serverUrl === undefined) throw misconfigured('serverUrl is missing: the address of the MCP server');
  if (host) checkHost(host, redirectUri);
  if (store) checkStore(store);
  return JSON.stringify({
    ...plain,
    scopes: scopeList(scopes),
    policy: check(policy ?? {}, POLICY, 'policy.'),
    ...(identityProvider !== undefined && {
      identityProvider: identityProvider && checkProvider(identityProvider),
    }),
    workloadIdentity: workloadIdentity !== undefined,
    host: host !== undefined,
    redirectUri: redirectUri ?? (typeof host?.redirectUri === 'string' ? host.redirectUri : undefined),
    store: store && { place: 'place' in store ? store.place : undefined },
    fetch: fetch !== undefined,
  });
}

function checkProvider(provider: IdentityProviderOptions): Partial<IdentityProviderOptions> {
  const checked = check(provider, PROVIDER, 'identityProvider.');
  for (const name of ['issuer', 'clientId'] as const) {
    if (checked[name] === undefined) throw misconfigured(`identityProvider.${name} is missing`);
  }
  return checked;
}

function checkHost(host: AuthHost, redirectUri: unknown): void {
  for (const name of ['confirmStepUp', 'authorize'] as const) {
    if (typeof host[name] !== 'function') {
      throw misconfigured(`host.${name} must be a function, and is ${describe(host[name])}`);
    }
  }
  if (redirectUri !== undefined) return;
  const own: unknown = host.redirectUri;
  if (own === undefined) throw misconfigured('redirectUri is missing, here and in host: where callbacks come');
  if (typeof own !== 'string' && typeof own !== 'function') {
    throw misconfigured(`host.redirectUri must be an address or a function, and is ${describe(own)}`);
  }
}

function checkStore(store: object): void {
  if (nativeStore(store)) return;
  const { place, ...methods } = {
    place: (store as TokenStore).place as unknown,
    load: (store as TokenStore).load as unknown,
    save: (store as TokenStore).save as unknown,
    tryLease: (store as TokenStore).tryLease as unknown,
  };
  if (place !== undefined && typeof place !== 'string') {
    throw misconfigured(`store.place must be a text, and is ${describe(place)}`);
  }
  for (const [name, method] of Object.entries(methods)) {
    if (typeof method !== 'function' && !(name === 'tryLease' && method === undefined)) {
      throw misconfigured(`store.${name} must be a function, and is ${describe(method)}`);
    }
  }
}
