import { describe, memberOf, wordsOf } from './describe.js';
import { misconfigured } from './error.js';
import { toJson } from './json.js';
import { native } from './native.js';
import type { AuthChallenge } from './types.js';

/** A response, as far as a challenge is concerned: that of `fetch`, that of `node:http`, or one taken apart. */
export interface ChallengedResponse {
  /** The HTTP status. */
  status?: number | undefined;
  /** The same, by the name it has in `node:http`. */
  statusCode?: number | undefined;
  /** The header fields. */
  headers: HeaderFields;
}

/** Header fields: those of `fetch`, an object, or pairs of names and values. */
export type HeaderFields =
  | Iterable<readonly [string, string]>
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/** Names and values in turn. */
export function flatHeaders(headers: HeaderFields): string[] {
  if (headers instanceof Headers) return [...headers].flatMap(([name, value]) => [name, asUtf8(value)]);
  if (typeof headers !== 'object' || headers === null) throw new TypeError(`its headers are ${describe(headers)}`);
  const isList = Symbol.iterator in headers;
  const pairs = isList ? [...(headers as Iterable<readonly [string, string]>)] : Object.entries(headers);
  const flat = pairs.flatMap(([name, value]) => [value ?? []].flat().flatMap((line) => [name, line]));
  if (!flat.every((text) => typeof text === 'string')) throw new TypeError('names and values must be texts');
  return flat.map((text) => text.toWellFormed());
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** A value that `fetch` has read byte by byte, as servers write it. */
function asUtf8(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all that is ASCII needs nothing.
  if (/^[\x00-\x7f]*$/.test(value)) return value;
  try {
    return utf8.decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}

/** The status and the header fields of a response, which may be anything. */
export function challengedBy(response: ChallengedResponse): [status: number, headers: string[]] {
  try {
    const status = response.status ?? response.statusCode;
    if (!isHttpStatus(status)) throw new TypeError(`its status is ${describe(status)}`);
    return [status, flatHeaders(response.headers)];
  } catch (cause) {
    const detail = `a response must have an HTTP status and header fields (${wordsOf(cause)})`;
    throw misconfigured(detail, cause);
  }
}

/** Codes of JSON-RPC errors are numbers too. */
const isHttpStatus = (status: unknown): status is number =>
  typeof status === 'number' && Number.isInteger(status) && status >= 100 && status <= 999;

function parse(status: unknown, lines: string[]): AuthChallenge | undefined {
  if (!isHttpStatus(status)) return undefined;
  const challenge = native.parseChallenge(status, lines);
  return challenge == null ? undefined : (JSON.parse(challenge) as AuthChallenge);
}

/**
 * The challenge of a rejected response; `undefined` when its status is neither 401 nor 403.
 *
 * `Headers` joins several `WWW-Authenticate` lines into one. That makes no difference, but where a line has a quoted
 * text without an end; give such headers as pairs.
 *
 * ```ts
 * const challenge = parseAuthChallengeFromResponse(await fetch(url))
 * if (challenge?.reason === 'insufficient_scope') console.log(challenge.requiredScopes)
 * ```
 */
export function parseAuthChallengeFromResponse(response: ChallengedResponse): AuthChallenge | undefined {
  const [status, headers] = challengedBy(response);
  const isChallenge = (_: string, i: number) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === 'www-authenticate';
  return parse(status, headers.filter(isChallenge));
}

/**
 * The challenge inside a tool's result (`_meta["mcp/www_authenticate"]`), as servers send it that let a call through
 * and have the tool refuse it.
 */
export function authChallengeFromToolResult(result: unknown): AuthChallenge | undefined {
  const challenge = native.challengeOfToolResult(toJson(result ?? null, 'the result'));
  return challenge == null ? undefined : (JSON.parse(challenge) as AuthChallenge);
}

/** How deep errors are nested at the most, and how many of an aggregate are looked into. */
const MAX_DEPTH = 16;
const MAX_ERRORS = 64;

/**
 * The challenge behind an error, however deep: of this package; of the official SDK, both 1.x and 2.x
 * (`StreamableHTTPError`, `SseError`, `SdkHttpError`, `UnauthorizedError`, `InsufficientScopeError`, JSON-RPC errors
 * whose data hold one); or of anything that has the rejected response.
 */
export function authChallengeFromError(error: unknown): AuthChallenge | undefined {
  let level: unknown[] = [error];
  const seen = new Set<unknown>();
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const one of level) {
      if (typeof one !== 'object' || one === null || seen.has(one)) continue;
      seen.add(one);
      const challenge = ofOne(one);
      if (challenge) return challenge;
      next.push(...inside(one));
    }
    level = next;
  }
  return undefined;
}

/** What an error may be wrapped around. */
function inside(error: unknown): unknown[] {
  const inner = [memberOf(error, 'cause'), memberOf(error, 'error'), memberOf(memberOf(error, 'data'), 'cause')];
  const errors = memberOf(error, 'errors');
  for (let i = 0; i < MAX_ERRORS; i++) inner.push(memberOf(errors, String(i)));
  return inner;
}

function ofOne(error: unknown): AuthChallenge | undefined {
  const data = memberOf(error, 'data');
  const found = [memberOf(error, 'challenge'), memberOf(data, 'challenge')].find(isChallenge);
  if (found) return found;
  const parsed = ofResponse(memberOf(error, 'response'));
  if (parsed) return parsed;
  // 1.x does not give all of its errors a name of their own.
  const names = [
    memberOf(error, 'name'),
    memberOf(memberOf(error, 'constructor'), 'name'),
    memberOf(error, 'mcpBrand'),
  ];
  const is = (name: string) => names.includes(name) || names.includes(`mcp.${name}`);
  if (is('InsufficientScopeError')) return ofScopeError(error);
  // 2.x has the status in its data, 1.x as the code.
  return parse(is('UnauthorizedError') ? 401 : (memberOf(data, 'status') ?? memberOf(error, 'code')), []);
}

function isList(value: unknown): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

function isChallenge(value: unknown): value is AuthChallenge {
  return typeof memberOf(value, 'reason') === 'string' && isList(memberOf(value, 'requiredScopes'));
}

function ofResponse(response: unknown): AuthChallenge | undefined {
  if (response === undefined) return undefined;
  try {
    return parseAuthChallengeFromResponse(response as ChallengedResponse);
  } catch {
    // Its headers cannot be read, or something else goes by that name there.
    return parse(memberOf(response, 'status'), []);
  }
}

/** The SDK has taken the challenge apart. */
function ofScopeError(error: unknown): AuthChallenge | undefined {
  const parameters = [
    ['error', 'insufficient_scope'],
    ['scope', memberOf(error, 'requiredScope')],
    ['resource_metadata', memberOf(error, 'resourceMetadataUrl')],
    ['error_description', memberOf(error, 'errorDescription')],
  ];
  const written = parameters
    .filter(([, value]) => typeof value === 'string' || value instanceof URL)
    .map(([name, value]) => `${name}="${String(value).replace(/["\\]/g, '\\$&')}"`);
  return parse(403, [`Bearer ${written.join(', ')}`.toWellFormed()]);
}
