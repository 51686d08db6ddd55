import { native } from './native.js';

/** A set of scopes: a list, or the value of a `scope` parameter. `undefined` is the empty set. */
export type Scopes = string | Iterable<string> | undefined;

/** The scopes as a list: empty ones and repeats dropped, order kept. */
export function scopeList(scopes: Scopes): string[] {
  if (scopes === undefined) return [];
  return typeof scopes === 'string' ? native.parseScopes(scopes) : native.scopeUnion([[...scopes]]);
}

/**
 * All sets together, in order of first appearance and without repeats: what a step-up asks for is the union of
 * requested, granted and challenged scopes.
 *
 * ```ts
 * computeScopeUnion('mcp:read', ['mcp:write', 'mcp:read']) // ['mcp:read', 'mcp:write']
 * ```
 */
export function computeScopeUnion(...sets: Scopes[]): string[] {
  return native.scopeUnion(sets.map(scopeList));
}

/** Whether every scope of `required` is in `granted`. Scopes are opaque: `files` does not cover `files:read`. */
export function scopesCover(granted: Scopes, required: Scopes): boolean {
  return native.scopesCover(scopeList(granted), scopeList(required));
}

/**
 * Whether `a` has all of `b`, and more. Where what is wanted is more than what is granted, a refresh cannot help
 * (RFC 6749 section 6).
 */
export function isStrictScopeSuperset(a: Scopes, b: Scopes): boolean {
  return native.isStrictScopeSuperset(scopeList(a), scopeList(b));
}

/** What `a` has and `b` lacks. */
export function scopeDifference(a: Scopes, b: Scopes): string[] {
  return native.scopeDifference(scopeList(a), scopeList(b));
}
