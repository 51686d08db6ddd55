/** The JSON forms that are the same on every wire and in every language. */

import type { ErrorCode } from './error.js';

/** Why a server rejected a request. */
export type Reason =
  /** 403 that does not say `insufficient_scope`: the person may not do this, whatever the token. */
  | 'unauthorized'
  /** 401 that does not say more: no token, or one that is no longer valid. */
  | 'token_expired'
  /** 401 with `error="invalid_token"` (RFC 6750 section 3.1). */
  | 'invalid_token'
  /** `error="insufficient_scope"` (RFC 6750 section 3.1): the token lacks scope. */
  | 'insufficient_scope'
  /** The person must sign in again, more strongly or more recently (RFC 9470). */
  | 'insufficient_user_authentication';

/** What was being done when a request was rejected. */
export interface Operation {
  /** The JSON-RPC method, such as `tools/call`. */
  method?: string;
  /** The tool of a `tools/call`. */
  toolName?: string;
  /** The URI of a `resources/read` or a subscription. */
  resourceUri?: string;
  /** The prompt of a `prompts/get`. */
  promptName?: string;
}

/** One rejected request, normalized. */
export interface AuthChallenge {
  /** Why it was rejected. */
  reason: Reason;
  /** The scopes the server says this operation needs, if it says so. */
  requiredScopes?: string[];
  /** The scopes that a re-authorization asks for. Set while recovery is under way, not by the server. */
  authorizationScopes?: string[];
  /** The resource identifier, when known. */
  resource?: string;
  /** Where the protected resource metadata is (RFC 9728 section 5.1), exactly as the server wrote it. */
  resourceMetadata?: string;
  /** The issuer identifier of the authorization server, when known. */
  audience?: string;
  /** Authentication context classes asked for, the most wanted first (RFC 9470 section 3). */
  acrValues?: string[];
  /** How many seconds ago the person may have signed in at the most (RFC 9470 section 3). */
  maxAge?: number;
  /** The server's own words (`error_description`), without control characters and bounded. */
  message?: string;
  /** What was being done. */
  context?: Operation;
  /** What it was read from: the status, and the `WWW-Authenticate` lines joined by commas. */
  raw?: { httpStatus?: number; wwwAuthenticate?: string };
}

/** What the person is asked to agree to. */
export interface StepUpRequest {
  /** The MCP server. */
  server: string;
  /** What the server asked for, with the operation it was asked for. */
  challenge: AuthChallenge;
  /** The scopes that are new. */
  newScopes: string[];
  /** All scopes that would be asked for. */
  scopes: string[];
  /** The organization's identity provider, if it would be asked, silently, and not the person's own access. */
  identityProvider?: string;
}

/** An authorization that has been prepared: the person goes to `url`. */
export interface AuthorizationRequest {
  /** The page to show. */
  url: string;
  /** The `state` that the callback must carry. */
  state: string;
  /** Where the callback will come. */
  redirectUri: string;
  /** The MCP server. */
  server: string;
  /** The authorization server; enterprise-managed, the identity provider. */
  issuer: string;
  /** Whether that is the organization's identity provider. */
  atIdentityProvider: boolean;
  /** The scopes asked for. */
  scopes: string[];
  /** What made it necessary. */
  challenge: AuthChallenge;
}

/** What happens in a session. Events hold no secrets. */
export type SessionEvent =
  /** A request was rejected. */
  | { kind: 'challenged'; challenge: AuthChallenge }
  /** The credential was renewed silently. */
  | { kind: 'renewed'; issuer: string; scopes: string[] }
  /** Another session or process had renewed it already. */
  | { kind: 'adopted' }
  /** The session at the organization's identity provider was renewed silently. */
  | { kind: 'idp_session_renewed'; issuer: string }
  /** Silent renewal failed. A session that only waited for another's renewal does not hear of it. */
  | { kind: 'renewal_failed'; issuer: string; code: ErrorCode; message: string }
  /** The person was asked whether to extend access. */
  | { kind: 'consent_asked'; newScopes: string[] }
  /** The person was sent to an authorization server. */
  | { kind: 'authorization_started'; issuer: string; scopes: string[] }
  /** The person's authorization arrived. */
  | { kind: 'authorized'; issuer: string; scopes: string[] }
  /** The user is needed, and no caller waits: for the next user action. */
  | { kind: 'interaction_required'; challenge: AuthChallenge }
  /** The credential was cleared. */
  | { kind: 'signed_out' };

/** What is known of a connection's authorization. Holds no secrets. */
export interface ConnectionState {
  /** The MCP server. */
  server: string;
  /** Whether there is a credential that is not known to have expired. */
  authorized: boolean;
  /** Whether there is a credential at all. */
  signedIn: boolean;
  /** The authorization server that granted it. */
  issuer?: string;
  /** The client id in use there. */
  clientId?: string;
  /** The scopes that were granted. */
  grantedScopes: string[];
  /** The scopes that were asked for. */
  requestedScopes: string[];
  /** When it expires, in seconds since 1970, if that is known. */
  expiresAt?: number;
  /** Whether it is bound to a key, so that no other party can use it (RFC 9449). */
  boundToKey: boolean;
  /** The issuer of the identity provider it was had through, if it is enterprise-managed. */
  identityProvider?: string;
  /** Whether it can be renewed without the user noticing. */
  renewable: boolean;
  /** How many authorizations were started and not finished. */
  pending: number;
}

/** What is known of the session at an organization's identity provider. Holds no secrets. */
export interface IdentityProviderState {
  /** The identity provider. */
  issuer: string;
  /** Whether there is an ID token that has not expired. */
  authorized: boolean;
  /** Whether there is a session at all. */
  signedIn: boolean;
  /** The user who is signed in, by the name the identity provider has for them. */
  subject?: string;
  /** When the ID token expires, in seconds since 1970. */
  expiresAt?: number;
  /** Whether it can be renewed without the user noticing. */
  renewable: boolean;
  /** The MCP servers that access was had to through it. */
  servers: string[];
}

/** What became of the tokens at their server when signing out. */
export type Revocation =
  /** They are revoked. */
  | 'done'
  /** There was nothing to revoke. */
  | 'nothing'
  /** The server does not revoke tokens; the access token is good there until it expires. */
  | 'not_offered'
  /** The server could not be told, or refused; they may be good there until they expire. */
  | 'failed';

/** A value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;
