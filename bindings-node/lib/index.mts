/** The same for `import`. There is one copy of everything, whichever way it is loaded, so that `instanceof` holds. */

export type * from './index.js';
export {
  AuthSession,
  authChallengeFromError,
  authChallengeFromToolResult,
  computeScopeUnion,
  FileStore,
  isStrictScopeSuperset,
  loopbackHost,
  MemoryStore,
  parseAuthChallengeFromResponse,
  ReauthError,
  scopeDifference,
  scopesCover,
  wording,
} from './index.js';
