/** JSON forms that are the same on every wire and in every language. */

import type { ErrorCode } from './error.js';

/** Why a server rejected a request. */
export type Reason =
  /** 403 without `insufficient_scope`: the user may not do this, with any token. */
  | 'unauthorized'
  /** 401 without details: no token, or one that is no longer valid. */
  | 'token_expired'
  /** 401 with `error="invalid_token"` (RFC 6750 section 3.1). */
  | 'invalid_token'
  /** `error="insufficient_scope"` (RFC 6750 section 3.1): the token lacks scope. */
  | 'insufficient_scope'
  /** The user must authenticate again, with a stronger method or more recently (RFC 9470). */
  | 'insufficient_user_authentication';

/** What a rejected request was doing. */
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
  /** The scopes the server requires for this operation, if it says so. */
  requiredScopes?: string[];
  /** The scopes that a re-authorization requests. Set during recovery, not by the server. */
  authorizationScopes?: string[];
  /** The resource identifier, when known. */
  resource?: string;
  /** The address of the protected resource metadata (RFC 9728 section 5.1), exactly as the server wrote it. */
  resourceMetadata?: string;
  /** The issuer identifier of the authorization server, when known. */
  audience?: string;
  /** The requested authentication context classes, in order of preference (RFC 9470 section 3). */
  acrValues?: string[];
  /** The largest allowed age of the user's sign-in, in seconds (RFC 9470 section 3). */
  maxAge?: number;
  /** The server's `error_description`, bounded and without control characters. */
  message?: string;
  /** What the request was doing. */
  context?: Operation;
  /** The response's status, and its `WWW-Authenticate` lines joined by commas. */
  raw?: { httpStatus?: number; wwwAuthenticate?: string };
}

/** A step-up that the user must confirm. */
export interface StepUpRequest {
  /** The MCP server. */
  server: string;
  /** The server's challenge, with the operation that was rejected. */
  challenge: AuthChallenge;
  /** The scopes that are not granted yet. */
  newScopes: string[];
  /** All scopes to request. */
  scopes: string[];
  /** The organization's identity provider, if it would grant access without a page for the user. */
  identityProvider?: string;
}

/** A prepared authorization: the user visits `url`. */
export interface AuthorizationRequest {
  /** The page to show. */
  url: string;
  /** The `state` that the callback must carry. */
  state: string;
  /** The redirect URI. */
  redirectUri: string;
  /** The MCP server. */
  server: string;
  /** The authorization server, or for enterprise-managed access the identity provider. */
  issuer: string;
  /** Whether `issuer` is the organization's identity provider. */
  atIdentityProvider: boolean;
  /** The requested scopes. */
  scopes: string[];
  /** The challenge that caused it. */
  challenge: AuthChallenge;
}

/** The events of a session. They hold no secrets. */
export type SessionEvent =
  /** A request was rejected. */
  | { kind: 'challenged'; challenge: AuthChallenge }
  /** The credential was renewed silently. */
  | { kind: 'renewed'; issuer: string; scopes: string[] }
  /** Another session or process had already renewed it. */
  | { kind: 'adopted' }
  /** The session at the organization's identity provider was renewed silently. */
  | { kind: 'idp_session_renewed'; issuer: string }
  /** Silent renewal failed. A session that waited for another session's renewal does not receive this. */
  | { kind: 'renewal_failed'; issuer: string; code: ErrorCode; message: string }
  /** The user was asked whether to extend access. */
  | { kind: 'consent_asked'; newScopes: string[] }
  /** The user was sent to an authorization server. */
  | { kind: 'authorization_started'; issuer: string; scopes: string[] }
  /** The user's authorization arrived. */
  | { kind: 'authorized'; issuer: string; scopes: string[] }
  /** The user is needed, but no caller waits: ask at the next user action. */
  | { kind: 'interaction_required'; challenge: AuthChallenge }
  /** The credential was cleared. */
  | { kind: 'signed_out' };

/** The state of a connection's authorization. Holds no secrets. */
export interface ConnectionState {
  /** The MCP server. */
  server: string;
  /** Whether there is a credential that is not known to have expired. */
  authorized: boolean;
  /** Whether there is a credential at all. */
  signedIn: boolean;
  /** The authorization server that granted it. */
  issuer?: string;
  /** The client ID at the issuer. */
  clientId?: string;
  /** The granted scopes. */
  grantedScopes: string[];
  /** The requested scopes. */
  requestedScopes: string[];
  /** When it expires, in seconds since 1970, if known. */
  expiresAt?: number;
  /** Whether it is bound to a key, so that no other party can use it (RFC 9449). */
  boundToKey: boolean;
  /** The issuer of the identity provider it was obtained through, if access is enterprise-managed. */
  identityProvider?: string;
  /** Whether it can be renewed silently. */
  renewable: boolean;
  /** The number of authorizations that were started and not completed. */
  pending: number;
}

/** The state of the session at an organization's identity provider. Holds no secrets. */
export interface IdentityProviderState {
  /** The identity provider. */
  issuer: string;
  /** Whether there is an ID token that has not expired. */
  authorized: boolean;
  /** Whether there is a session at all. */
  signedIn: boolean;
  /** The identity provider's identifier (`sub`) of the user who is signed in. */
  subject?: string;
  /** When the ID token expires, in seconds since 1970. */
  expiresAt?: number;
  /** Whether it can be renewed silently. */
  renewable: boolean;
  /** The MCP servers with tokens that were obtained through it. */
  servers: string[];
}

/** The result of revoking tokens at sign-out. */
export type Revocation =
  /** They are revoked. */
  | 'done'
  /** There was nothing to revoke. */
  | 'nothing'
  /** The server does not support revocation; the access token is valid until it expires. */
  | 'not_offered'
  /** The server was unreachable, or refused; the tokens may be valid until they expire. */
  | 'failed';

/** A value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;
