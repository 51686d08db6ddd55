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

/** The part of `fetch` that a session uses. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** What a session may do on its own. The defaults suit a program with a user present. */
export interface Policy {
  /** When a server asks for more scope: ask the user and authorize again (default), or fail immediately. */
  onInsufficientScope?: 'reauthorize' | 'throw' | undefined;
  /** The largest number of step-ups for one request (default 1); 0 is the same as `throw`. */
  maxStepUpRetries?: number | undefined;
  /** Whether to ask the user before an enterprise session extends access silently (default `false`). */
  confirmEnterpriseStepUp?: boolean | undefined;
  /** Whether the user may be involved at all (default `true`). */
  interaction?: boolean | undefined;
  /** How long before its expiry a credential is renewed, in milliseconds (default 30,000). */
  refreshAheadMs?: number | undefined;
  /** How long the user may take to answer or to sign in, in milliseconds (default 900,000). */
  interactionTimeoutMs?: number | undefined;
}

/** The options of {@link AuthSession.open}. */
export interface AuthSessionOptions {
  /** The MCP server's address. A string is kept unchanged. */
  serverUrl: string | URL;
  /** The client name on consent pages (default `mcp-reauth`). */
  clientName?: string | undefined;
  /** How the session obtains tokens, and with which client (default: the user signs in, with dynamic registration). */
  credentials?: Credentials | undefined;
  /** The https address of a client ID metadata document, used as client ID where the server supports it. */
  clientMetadataUrl?: string | URL | undefined;
  /** Scopes to request in addition to those that the server asks for. */
  scopes?: Scopes;
  /** The user or tenant (default `default`). Profiles never share anything. */
  profile?: string | undefined;
  /** What the session may do on its own. */
  policy?: Policy | undefined;
  /** Whether to bind tokens to a key (DPoP, RFC 9449): where the server requires it (default), or always. */
  dpop?: 'when_asked' | 'always' | undefined;
  /** The private key to bind tokens to: PEM, or a JWK as JSON. By default the session creates one. */
  dpopKey?: string | undefined;
  /** Whether to send resource indicators (RFC 8707; default `true`). Some servers reject them. */
  sendResource?: boolean | undefined;
  /** Whether to push authorization requests where the server offers it (RFC 9126; default `false`). */
  pushRequests?: boolean | undefined;
  /**
   * Whether to send `prompt=consent` (default `true`), which happens only after a refresh token was requested and not
   * issued. Disable it where users cannot consent themselves: the page would be a dead end.
   */
  consentPrompt?: boolean | undefined;
  /**
   * Origins (`https://login.corp.example`) that the MCP server may lead to although they are in a narrower network than
   * the server; without this, `blocked_endpoint`. The client's `issuer` is always allowed.
   */
  allowEndpoints?: readonly (string | URL)[] | undefined;
  /** The redirect URI, for a host that does not provide one. */
  redirectUri?: string | URL | undefined;
  /** The token store (default: in memory, for this session only). */
  store?: MemoryStore | FileStore | TokenStore | undefined;
  /** The application's functions that involve the user. Without a host, no operation involves the user. */
  host?: AuthHost | undefined;
  /**
   * Sends all requests: of `session.fetch` and of the authorization protocol. By default the global `fetch` at the time
   * of the call, so that both use Node's certificate authorities, proxy, dispatcher, mocks and instrumentation.
   * Addresses that the server leads to are resolved and checked before it is called ({@link allowEndpoints}).
   */
  fetch?: Fetch | undefined;
  /**
   * Where authorization requests may go. `local` (default): wherever the MCP server may lead. `public`, for backends
   * whose users enter server addresses: only public addresses and those in {@link allowEndpoints}, even if the MCP
   * server itself is elsewhere. These requests then use this package's own HTTP client, which checks each address again
   * when it connects. It trusts the same certificate authorities as Node, and uses a proxy where Node does
   * (`NODE_USE_ENV_PROXY`), but ignores `fetch` and dispatchers.
   *
   * In both cases `session.fetch` sends with `fetch`: you must check whether `serverUrl` may be requested.
   */
  egress?: 'local' | 'public' | undefined;
}

/** The global `fetch` at the time of the call, which instrumentation may have replaced. */
const globalFetch: Fetch = (input, init) => globalThis.fetch(input, init);

/** The options, read once: later changes of the application's object have no effect. */
export interface CheckedOptions {
  /** The options document for the native part. */
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

/** Plain settings, with the same names in every language. */
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

/** Validates the options. */
export function checkOptions(options: unknown): CheckedOptions {
  const checked = check(options, OPTIONS);
  const { credentials: given, policy, redirectUri, store, host, fetch, ...others } = checked;
  const { serverUrl } = checked;
  if (serverUrl === undefined) throw misconfigured('serverUrl is missing: the URL of the MCP server');
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

/** Checks that a member of a host or store is a function. */
function requireFunction(part: object, of: string, name: string, mayBeMissing = false): void {
  const member = memberOf(part, name);
  if (typeof member === 'function' || (mayBeMissing && member === undefined)) return;
  throw misconfigured(`${of}.${name} must be a function, and is ${describe(member)}`);
}

/** The redirect URI if it is a constant: the host's, otherwise the session's option. */
function redirectUriOf(host: object, otherwise: string | undefined): string | undefined {
  requireFunction(host, 'host', 'confirmStepUp');
  requireFunction(host, 'host', 'authorize');
  requireFunction(host, 'host', 'signInElsewhere', true);
  const own = memberOf(host, 'redirectUri');
  if (own !== undefined && otherwise !== undefined) {
    throw misconfigured('redirectUri is set in the options and by host (as loopbackHost does): set it in one place');
  }
  if (typeof own === 'function') return undefined;
  if (own === undefined && otherwise === undefined) {
    throw misconfigured('redirectUri is missing: set it in the options or in host');
  }
  const uri = own === undefined ? otherwise : REDIRECT_URI.read(own);
  if (uri === undefined) {
    throw misconfigured(`host.redirectUri must be ${REDIRECT_URI.what} or a function, and is ${describe(own)}`);
  }
  return uri;
}

/** The methods of a store whose leases work across processes. */
const LEASES = ['tryLease', 'renewLease', 'releaseLease'] as const;

/** Returns the store's `place`. Throws if a required method is missing. */
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
  throw misconfigured(`store.place must be a string, and is ${describe(place)}`);
}
