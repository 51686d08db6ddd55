import { describe } from './describe.js';
import { misconfigured } from './error.js';
import { native } from './native.js';

/** A set of scopes: a list, or the value of a `scope` parameter. `undefined` is the empty set. */
export type Scopes = string | Iterable<string> | undefined;

/** Converts scopes to a list in order, without empty and repeated ones. `undefined` for a wrong type. */
export function readScopes(scopes: unknown): string[] | undefined {
  if (typeof scopes === 'string') return native.parseScopes(scopes);
  if (typeof scopes !== 'object' || scopes === null || !(Symbol.iterator in scopes)) return undefined;
  // Read once, because an iterator can be read only once.
  const list: unknown[] = [...(scopes as Iterable<unknown>)];
  return list.every((scope) => typeof scope === 'string') ? native.scopeUnion([list as string[]]) : undefined;
}

/** Converts a scopes argument to a list, or throws an error that names it. */
export function scopeList(scopes: Scopes): string[] {
  if (scopes === undefined) return [];
  let list: string[] | undefined;
  try {
    list = readScopes(scopes);
  } catch (cause) {
    throw misconfigured('scopes cannot be read', cause);
  }
  if (!list) throw misconfigured(`scopes must be a string or an array of strings, and are ${describe(scopes)}`);
  return list;
}

/**
 * The union of all sets, in order of first appearance, without repeats. A step-up requests the union of requested,
 * granted and challenged scopes.
 *
 * ```ts
 * computeScopeUnion('mcp:read', ['mcp:write', 'mcp:read']) // ['mcp:read', 'mcp:write']
 * ```
 */
export function computeScopeUnion(...sets: Scopes[]): string[] {
  return native.scopeUnion(sets.map(scopeList));
}

/** Whether `granted` contains every scope of `required`. Scopes are opaque: `files` does not cover `files:read`. */
export function scopesCover(granted: Scopes, required: Scopes): boolean {
  return native.scopesCover(scopeList(granted), scopeList(required));
}

/**
 * Whether `a` contains all of `b`, and more. If the wanted scopes are a strict superset of the granted ones, a refresh
 * cannot help (RFC 6749 section 6).
 */
export function isStrictScopeSuperset(a: Scopes, b: Scopes): boolean {
  return native.isStrictScopeSuperset(scopeList(a), scopeList(b));
}

/** The scopes of `a` that `b` lacks. */
export function scopeDifference(a: Scopes, b: Scopes): string[] {
  return native.scopeDifference(scopeList(a), scopeList(b));
}
