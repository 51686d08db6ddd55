/**
 * Keeps an MCP client's session alive when the server stops accepting its credentials. Start with
 * {@link AuthSession.open}.
 *
 * @packageDocumentation
 */

export type { AuthProvider } from './auth-provider.js';
export {
  authChallengeFromError,
  authChallengeFromToolResult,
  type ChallengedResponse,
  type HeaderFields,
  parseAuthChallengeFromResponse,
} from './challenge.js';
export type {
  ClientCredentials,
  ClientOptions,
  Credentials,
  EnterpriseCredentials,
  IdentityProviderOptions,
  PersonCredentials,
  WorkloadCredentials,
} from './credentials.js';
export { type ErrorCode, type ErrorDetails, type ErrorFacts, type ErrorForm, ReauthError } from './error.js';
export type { AuthHost, Callback, HostContext, RedirectContext } from './host.js';
export type { IdentityProviderSession } from './identity-provider.js';
export { type LoopbackOptions, loopbackHost } from './loopback.js';
export type { AuthSessionOptions, Fetch, Policy } from './options.js';
export type { Outcome } from './outcome.js';
export type { RequestOptions, ResourceRequest } from './request.js';
export { computeScopeUnion, isStrictScopeSuperset, type Scopes, scopeDifference, scopesCover } from './scope.js';
export { type Authorization, AuthSession, type HandleOptions } from './session.js';
export { FileStore, MemoryStore, type StoredRecord, type StoreKey, type TokenStore } from './store.js';
export type {
  AuthChallenge,
  AuthorizationRequest,
  Awaitable,
  ConnectionState,
  IdentityProviderState,
  Operation,
  Reason,
  Revocation,
  SessionEvent,
  StepUpRequest,
} from './types.js';
export * as wording from './wording.js';
