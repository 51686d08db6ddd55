import { describe } from './describe.js';
import { misconfigured } from './error.js';
import { native } from './native.js';

/** A set of scopes: a list, or the value of a `scope` parameter. `undefined` is the empty set. */
export type Scopes = string | Iterable<string> | undefined;

/** Scopes as a list: empty ones and repeats dropped, order kept. `undefined` where it is something else. */
export function readScopes(scopes: unknown): string[] | undefined {
  if (typeof scopes === 'string') return native.parseScopes(scopes);
  if (typeof scopes !== 'object' || scopes === null || !(Symbol.iterator in scopes)) return undefined;
  // Once, since that may be all it can be read.
  const list: unknown[] = [...(scopes as Iterable<unknown>)];
  return list.every((scope) => typeof scope === 'string') ? native.scopeUnion([list as string[]]) : undefined;
}

/** The same of an argument, with an error that says so. */
export function scopeList(scopes: Scopes): string[] {
  if (scopes === undefined) return [];
  let list: string[] | undefined;
  try {
    list = readScopes(scopes);
  } catch (cause) {
    throw misconfigured('scopes cannot be read', cause);
  }
  if (!list) throw misconfigured(`scopes must be a text or a list of texts, and are ${describe(scopes)}`);
  return list;
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
