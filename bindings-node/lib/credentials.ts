/** How a session gets its tokens, and what its client proves itself by. */

import { check, FLAG, FUNCTION, OBJECT, oneOf, orNull, TEXT } from './check.js';
import { misconfigured } from './error.js';
import type { HostContext } from './host.js';
import type { Awaitable } from './types.js';

/** A client that is registered at an authorization server already. */
export interface ClientOptions {
  /** The id that it is registered by. */
  id: string;
  /** Its secret, if it has one. A client has a secret, a key or neither. */
  secret?: string | undefined;
  /**
   * How it shows its secret, for a server whose metadata does not tell, or tells wrong: in the `Authorization` header
   * (`basic`) or in the form (`post`).
   */
  secretMethod?: 'basic' | 'post' | undefined;
  /** Its private key, if it has one (`private_key_jwt`, RFC 7523 section 2.2): PEM, or a JWK as JSON. */
  key?: string | undefined;
  /**
   * The issuer of the authorization server that it is registered at. A client with a secret, a key or assertions needs
   * it: they go nowhere else. Without it nothing is sent, and the error (`config`) names the issuer that was found.
   */
  issuer?: string | undefined;
  /** In place of `issuer`: shows what it proves itself by to whichever authorization server the MCP server names. */
  atAnyIssuer?: boolean | undefined;
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

/** A person signs in (authorization code grant, RFC 6749 section 4.1). */
export interface PersonCredentials {
  kind?: 'person' | undefined;
  /** By default the client is found by its metadata address, or registers itself (RFC 7591). */
  client?: ClientOptions | undefined;
}

/** The client acts for itself, by its secret or its key (RFC 6749 section 4.4): no person, no host. */
export interface ClientCredentials {
  kind: 'client_credentials';
  client: ClientOptions;
}

/** The client is a workload whose platform vouches for it (RFC 7523 section 2.1): no person, no host. */
export interface WorkloadCredentials {
  kind: 'workload';
  client: ClientOptions;
  /** Gives a fresh assertion for the authorization server whose issuer is `audience`. */
  assertion(audience: string, context: HostContext): Awaitable<string>;
}

/** Access is managed by the organization whose identity provider this is. */
export interface EnterpriseCredentials {
  kind: 'enterprise';
  /** Where people sign in. `null`: it is meant to be, and is not configured. */
  identityProvider: IdentityProviderOptions | null;
  /** A client that is registered already at the MCP server's authorization server. */
  client?: ClientOptions | undefined;
}

/** How a session gets its tokens. */
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

/** What goes with each kind besides a client, and what the kind cannot do without. */
const KINDS: Record<Kind, { own: readonly string[]; needs: readonly string[] }> = {
  person: { own: [], needs: [] },
  client_credentials: { own: [], needs: ['client'] },
  workload: { own: ['assertion'], needs: ['client', 'assertion'] },
  enterprise: { own: ['identityProvider'], needs: ['identityProvider'] },
};

/** Credentials that were checked: those for the native part, and the function that it asks for assertions. */
export interface CheckedCredentials {
  readonly json: { kind: Kind };
  readonly assertion: WorkloadCredentials['assertion'] | undefined;
}

/** Checks credentials; `undefined` are those of a person. */
export function checkCredentials(given: object | undefined): CheckedCredentials {
  // Read as it is: what was not given must not come from what all objects inherit.
  const checked = check(given ?? {}, CREDENTIALS, 'credentials.');
  const kind = checked.kind ?? 'person';
  const names = Object.keys(checked);
  for (const [other, { own }] of Object.entries(KINDS)) {
    const name = other === kind ? undefined : own.find((name) => names.includes(name));
    if (name) throw misconfigured(`credentials.${name} goes with the kind '${other}', and the kind is '${kind}'`);
  }
  for (const name of KINDS[kind].needs) {
    if (names.includes(name)) continue;
    throw misconfigured(`credentials.${name} is missing, which the kind '${kind}' needs`);
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
