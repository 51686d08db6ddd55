import {
  ADDRESS,
  ADDRESSES,
  COUNT,
  check,
  FLAG,
  FUNCTION,
  MILLISECONDS,
  OBJECT,
  oneOf,
  REDIRECT_URI,
  SCOPES,
  TEXT,
} from './check.js';
import { type Credentials, checkCredentials, type WorkloadCredentials } from './credentials.js';
import { describe, memberOf } from './describe.js';
import { misconfigured } from './error.js';
import type { AuthHost } from './host.js';
import { toJson } from './json.js';
import type { Scopes } from './scope.js';
import type { FileStore, MemoryStore, TokenStore } from './store.js';
import { nativeStore } from './store.js';

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

/** What a session is opened with. */
export interface AuthSessionOptions {
  /** The MCP server. A text is kept exactly as it is. */
  serverUrl: string | URL;
  /** The name shown on consent pages (default `mcp-reauth`). */
  clientName?: string | undefined;
  /** How the session gets its tokens, and by which client (default: a person signs in, and the client registers itself). */
  credentials?: Credentials | undefined;
  /** An https address that serves the client's metadata, and is its id wherever that is supported. */
  clientMetadataUrl?: string | URL | undefined;
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
  /**
   * Whether the user may be asked for consent explicitly (`prompt=consent`; default yes): only after a refresh token was
   * asked for and did not come. Where users may not consent themselves, such a page is a dead end.
   */
  consentPrompt?: boolean | undefined;
  /**
   * Origins (`https://login.corp.example`) that the MCP server may lead to although they are in a narrower network than
   * the server: else `blocked_endpoint`. That of the client's `issuer` is allowed anyway.
   */
  allowEndpoints?: readonly (string | URL)[] | undefined;
  /** Where callbacks come, for a host that does not say so itself. */
  redirectUri?: string | URL | undefined;
  /** Where records live (default: in memory, for this session alone). */
  store?: MemoryStore | FileStore | TokenStore | undefined;
  /** The application: asks, shows. Without one, nothing that needs a person is done. */
  host?: AuthHost | undefined;
  /**
   * What sends requests, those of `session.fetch` and those of the authorization protocol: by default the global `fetch`
   * of the moment, so that both use Node's certificate authorities, proxy, dispatcher, mocks and instrumentation. The
   * addresses that servers lead to are looked up and checked before it is called ({@link allowEndpoints}).
   */
  fetch?: Fetch | undefined;
  /**
   * Where requests of the authorization protocol may go. `local` (the default): wherever the MCP server may lead.
   * `public`, for backends that people give addresses to: public addresses alone and those of {@link allowEndpoints},
   * even if the MCP server itself is elsewhere. They then go by the HTTP client of this package, which looks at each
   * address once more when it connects; it trusts the same certificate authorities as Node, and uses a proxy where Node
   * does (`NODE_USE_ENV_PROXY`). It knows nothing of `fetch` and of dispatchers.
   *
   * Requests of `session.fetch` go by `fetch` in either case: whether `serverUrl` may be asked is for you to check.
   */
  egress?: 'local' | 'public' | undefined;
}

/** The global `fetch` of the moment, which instrumentation may have replaced. */
const globalFetch: Fetch = (input, init) => globalThis.fetch(input, init);

/** What a session is opened with, read once: what the application does to its own object afterwards changes nothing. */
export interface CheckedOptions {
  /** For the native part. */
  readonly json: string;
  readonly serverUrl: string;
  readonly isEnterprise: boolean;
  readonly isPlatformFetch: boolean;
  readonly host: AuthHost | undefined;
  readonly store: MemoryStore | FileStore | TokenStore | undefined;
  readonly fetch: Fetch;
  readonly assertion: WorkloadCredentials['assertion'] | undefined;
}

const POLICY = {
  onInsufficientScope: oneOf('reauthorize', 'throw'),
  maxStepUpRetries: COUNT,
  confirmEnterpriseStepUp: FLAG,
  interaction: FLAG,
  refreshAheadMs: MILLISECONDS,
  interactionTimeoutMs: MILLISECONDS,
};

/** What is plain data, and has the same names in every language. */
const SETTINGS = {
  clientName: TEXT,
  clientMetadataUrl: ADDRESS,
  scopes: SCOPES,
  profile: TEXT,
  policy: OBJECT,
  dpop: oneOf('when_asked', 'always'),
  sendResource: FLAG,
  pushRequests: FLAG,
  consentPrompt: FLAG,
  allowEndpoints: ADDRESSES,
};

const OPTIONS = {
  ...SETTINGS,
  serverUrl: ADDRESS,
  credentials: { ...OBJECT, what: 'an object with the kind of credentials' },
  dpopKey: TEXT,
  redirectUri: REDIRECT_URI,
  store: { ...OBJECT, what: 'a MemoryStore, a FileStore, or an object with load, save and delete' },
  host: { ...OBJECT, what: 'an object with confirmStepUp and authorize' },
  fetch: FUNCTION,
  egress: oneOf('local', 'public'),
} satisfies Record<keyof AuthSessionOptions, unknown>;

/** Checks the options. */
export function checkOptions(options: unknown): CheckedOptions {
  const checked = check(options, OPTIONS);
  const { credentials: given, policy, redirectUri, store, host, fetch, ...others } = checked;
  const { serverUrl } = checked;
  if (serverUrl === undefined) throw misconfigured('serverUrl is missing: the address of the MCP server');
  const credentials = checkCredentials(given);
  const plain = Object.entries(others);
  const isSetting = ([name]: [string, unknown]) => name in SETTINGS;
  const json = {
    ...Object.fromEntries(plain.filter((option) => !isSetting(option))),
    settings: {
      ...Object.fromEntries(plain.filter(isSetting)),
      policy: check(policy ?? {}, POLICY, 'policy.'),
      redirectUri: host && redirectUriOf(host, redirectUri),
    },
    credentials: credentials.json,
    host: host !== undefined,
    store: store && { place: placeOf(store) },
    httpClient: true,
  };
  return {
    json: toJson(json, 'the options'),
    serverUrl,
    isEnterprise: credentials.json.kind === 'enterprise',
    host: host as AuthHost | undefined,
    store: store as CheckedOptions['store'],
    fetch: (fetch as Fetch | undefined) ?? globalFetch,
    isPlatformFetch: fetch === undefined,
    assertion: credentials.assertion,
  };
}

/** A member of an application's part that must be a function. */
function requireFunction(part: object, of: string, name: string, mayBeMissing = false): void {
  const member = memberOf(part, name);
  if (typeof member === 'function' || (mayBeMissing && member === undefined)) return;
  throw misconfigured(`${of}.${name} must be a function, and is ${describe(member)}`);
}

/** Where callbacks come, if that is always the same: as the host says, else as the session's own option does. */
function redirectUriOf(host: object, otherwise: string | undefined): string | undefined {
  requireFunction(host, 'host', 'confirmStepUp');
  requireFunction(host, 'host', 'authorize');
  requireFunction(host, 'host', 'signInElsewhere', true);
  const own = memberOf(host, 'redirectUri');
  if (own !== undefined && otherwise !== undefined) {
    throw misconfigured('redirectUri is given here and by host (as loopbackHost does): give it in one place');
  }
  if (typeof own === 'function') return undefined;
  if (own === undefined && otherwise === undefined) {
    throw misconfigured('redirectUri is missing, here and in host: where callbacks come');
  }
  const uri = own === undefined ? otherwise : REDIRECT_URI.read(own);
  if (uri === undefined) {
    throw misconfigured(`host.redirectUri must be ${REDIRECT_URI.what} or a function, and is ${describe(own)}`);
  }
  return uri;
}

/** What a store has, whose leases are good for other processes too. */
const LEASES = ['tryLease', 'renewLease', 'releaseLease'] as const;

/** What an application's store calls its place. Throws where it is no store. */
export function placeOf(store: object): string | undefined {
  if (nativeStore(store)) return undefined;
  requireFunction(store, 'store', 'load');
  requireFunction(store, 'store', 'save');
  requireFunction(store, 'store', 'delete');
  const leases = LEASES.filter((name) => memberOf(store, name) !== undefined);
  for (const name of leases) requireFunction(store, 'store', name);
  if (leases.length > 0 && leases.length < LEASES.length) {
    const missing = LEASES.filter((name) => !leases.includes(name)).join(' and ');
    throw misconfigured(`store has ${leases.join(' and ')}, and lacks ${missing}: a store has all three, or none`);
  }
  const place = memberOf(store, 'place');
  if (place === undefined || typeof place === 'string') return place;
  throw misconfigured(`store.place must be a text, and is ${describe(place)}`);
}
