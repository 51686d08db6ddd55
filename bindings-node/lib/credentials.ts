/** How a session obtains its tokens, and how its client authenticates. */

import { check, FLAG, FUNCTION, OBJECT, oneOf, orNull, TEXT } from './check.js';
import { misconfigured } from './error.js';
import type { HostContext } from './host.js';
import type { Awaitable } from './types.js';

/** A client that is already registered at an authorization server. */
export interface ClientOptions {
  /** The client ID. */
  id: string;
  /** Its secret, if it has one. A client has a secret, a key or neither. */
  secret?: string | undefined;
  /**
   * How it sends its secret, if the server's metadata is missing or wrong: in the `Authorization` header (`basic`) or
   * in the form (`post`).
   */
  secretMethod?: 'basic' | 'post' | undefined;
  /** Its private key, if it has one (`private_key_jwt`, RFC 7523 section 2.2): PEM, or a JWK as JSON. */
  key?: string | undefined;
  /**
   * The issuer of the authorization server where it is registered. Required for a client with a secret, a key or
   * assertions: they are sent nowhere else. Without it nothing is sent, and the error (`config`) names the issuer.
   */
  issuer?: string | undefined;
  /** Instead of `issuer`: authenticates to any authorization server that the MCP server names. */
  atAnyIssuer?: boolean | undefined;
}

/** An organization's identity provider, and the client registered there. */
export interface IdentityProviderOptions {
  /** Its issuer identifier, byte for byte. */
  issuer: string;
  /** The client ID of this program at the identity provider. */
  clientId: string;
  /** The client's secret, if it has one. */
  clientSecret?: string | undefined;
  /** The client's private key, if it has one: PEM, or a JWK as JSON. */
  clientKey?: string | undefined;
  /** Whether to use it (default `true`). `false` has its own error code, different from a missing configuration. */
  enabled?: boolean | undefined;
}

/** The user signs in (authorization code grant, RFC 6749 section 4.1). */
export interface PersonCredentials {
  kind?: 'person' | undefined;
  /** By default a client ID metadata document is used, or dynamic registration (RFC 7591). */
  client?: ClientOptions | undefined;
}

/** The client acts on its own behalf, with its secret or key (RFC 6749 section 4.4): no user, no host. */
export interface ClientCredentials {
  kind: 'client_credentials';
  client: ClientOptions;
}

/** The client is a workload with assertions from its platform (RFC 7523 section 2.1): no user, no host. */
export interface WorkloadCredentials {
  kind: 'workload';
  client: ClientOptions;
  /** Returns a fresh assertion for the authorization server with the issuer `audience`. */
  assertion(audience: string, context: HostContext): Awaitable<string>;
}

/** An organization manages access through this identity provider. */
export interface EnterpriseCredentials {
  kind: 'enterprise';
  /** The identity provider. `null`: enterprise-managed, but not configured. */
  identityProvider: IdentityProviderOptions | null;
  /** A client that is already registered at the MCP server's authorization server. */
  client?: ClientOptions | undefined;
}

/** How a session obtains its tokens. */
export type Credentials = PersonCredentials | ClientCredentials | WorkloadCredentials | EnterpriseCredentials;

type Kind = NonNullable<Credentials['kind']>;

const CLIENT = {
  id: TEXT,
  secret: TEXT,
  secretMethod: oneOf('basic', 'post'),
  key: TEXT,
  issuer: TEXT,
  atAnyIssuer: FLAG,
};

const PROVIDER = { issuer: TEXT, clientId: TEXT, clientSecret: TEXT, clientKey: TEXT, enabled: FLAG };

const CREDENTIALS = {
  kind: oneOf('person', 'client_credentials', 'workload', 'enterprise'),
  client: { ...OBJECT, what: 'an object with the id of a client' },
  assertion: FUNCTION,
  identityProvider: orNull({ ...OBJECT, what: 'an object with issuer and clientId' }),
};

/** The members that belong to each kind besides `client`, and the required ones. */
const KINDS: Record<Kind, { own: readonly string[]; needs: readonly string[] }> = {
  person: { own: [], needs: [] },
  client_credentials: { own: [], needs: ['client'] },
  workload: { own: ['assertion'], needs: ['client', 'assertion'] },
  enterprise: { own: ['identityProvider'], needs: ['identityProvider'] },
};

/** Validated credentials: JSON for the native part, and the function that it calls for assertions. */
export interface CheckedCredentials {
  readonly json: { kind: Kind };
  readonly assertion: WorkloadCredentials['assertion'] | undefined;
}

/** Validates credentials; `undefined` means that the user signs in. */
export function checkCredentials(given: object | undefined): CheckedCredentials {
  // Reads the checked copy: an absent member must not be found on `Object.prototype`.
  const checked = check(given ?? {}, CREDENTIALS, 'credentials.');
  const kind = checked.kind ?? 'person';
  const names = Object.keys(checked);
  for (const [other, { own }] of Object.entries(KINDS)) {
    const name = other === kind ? undefined : own.find((name) => names.includes(name));
    if (name) throw misconfigured(`credentials.${name} is for the kind '${other}', and the kind is '${kind}'`);
  }
  for (const name of KINDS[kind].needs) {
    if (names.includes(name)) continue;
    throw misconfigured(`credentials.${name} is missing; the kind '${kind}' requires it`);
  }
  const { assertion, client, identityProvider } = checked;
  const json = {
    kind,
    ...(client !== undefined && { client: whole(client, CLIENT, 'credentials.client.', ['id']) }),
    ...(identityProvider !== undefined && {
      identityProvider:
        identityProvider && whole(identityProvider, PROVIDER, 'credentials.identityProvider.', ['issuer', 'clientId']),
    }),
  };
  return { json, assertion: assertion?.bind(given) as CheckedCredentials['assertion'] };
}

function whole(given: unknown, kinds: Parameters<typeof check>[1], where: string, needed: string[]): object {
  const checked = check(given, kinds, where);
  for (const name of needed) if (checked[name] === undefined) throw misconfigured(`${where}${name} is missing`);
  return checked;
}
