/** The entry point for `import`. It loads the same copy as `require` does, so that `instanceof` works across both. */

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
