import { check, NAME } from './check.js';
import { declared, describe, isA, memberOf, wordsOf } from './describe.js';
import { misconfigured } from './error.js';
import { toJson } from './json.js';
import { native } from './native.js';
import type { AuthChallenge, Operation, Reason } from './types.js';

/** A response to read a challenge from: of `fetch`, of `node:http`, or its parts. */
export interface ChallengedResponse {
  /** The HTTP status. */
  status?: number | undefined;
  /** The HTTP status under its name in `node:http`. */
  statusCode?: number | undefined;
  /** The header fields. */
  headers: HeaderFields;
}

/** Header fields: `Headers`, an object, or pairs of names and values. */
export type HeaderFields =
  | Iterable<readonly [string, string]>
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/** The largest number of header fields of a response. */
const MAX_FIELDS = 10_000;

/** Reads an iterable, which may be infinite, into a list. */
function pairsOf(headers: Iterable<readonly [string, string]>): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  for (const pair of headers) {
    if (pairs.push(pair) > MAX_FIELDS) throw new TypeError(`there are more than ${MAX_FIELDS} header fields`);
  }
  return pairs;
}

/** Flattens header fields to alternating names and values. */
export function flatHeaders(headers: HeaderFields): string[] {
  if (isA(headers, Headers)) return [...headers].flatMap(([name, value]) => [name, asUtf8(value)]);
  if (typeof headers !== 'object' || headers === null) throw new TypeError(`its headers are ${describe(headers)}`);
  const isList = Symbol.iterator in headers;
  const pairs = isList ? pairsOf(headers as Iterable<readonly [string, string]>) : Object.entries(headers);
  const flat = pairs.flatMap(([name, value]) => [value ?? []].flat().flatMap((line) => [name, line]));
  if (!flat.every((text) => typeof text === 'string')) throw new TypeError('names and values must be strings');
  return flat.map((text) => text.toWellFormed());
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Decodes a value that `fetch` read as Latin-1 as the UTF-8 that servers write. */
function asUtf8(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all that is ASCII needs nothing.
  if (/^[\x00-\x7f]*$/.test(value)) return value;
  try {
    return utf8.decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}

/** Reads the status and the header fields of a response of any type. */
export function challengedBy(response: ChallengedResponse): [status: number, headers: string[]] {
  try {
    const status = declared(response, 'status') ?? declared(response, 'statusCode');
    if (!isHttpStatus(status)) throw new TypeError(`its status is ${describe(status)}`);
    return [status, flatHeaders(declared(response, 'headers') as HeaderFields)];
  } catch (cause) {
    const detail = `a response must have an HTTP status and header fields (${wordsOf(cause)})`;
    throw misconfigured(detail, cause);
  }
}

/** Excludes the codes of JSON-RPC errors, which are numbers too. */
const isHttpStatus = (status: unknown): status is number =>
  typeof status === 'number' && Number.isInteger(status) && status >= 100 && status <= 999;

function parse(status: unknown, lines: string[]): AuthChallenge | undefined {
  if (!isHttpStatus(status)) return undefined;
  const challenge = native.parseChallenge(status, lines);
  return challenge == null ? undefined : (JSON.parse(challenge) as AuthChallenge);
}

/** The values of `WWW-Authenticate` in alternating names and values. */
function linesOf(headers: string[]): string[] {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === 'www-authenticate');
}

/** Adds the operation to a challenge. */
function during(challenge: AuthChallenge | undefined, operation: unknown): AuthChallenge | undefined {
  if (operation === undefined) return challenge;
  const context = operationOf(operation);
  const known = Object.keys(context).length > 0;
  return challenge && known ? { ...challenge, context: { ...challenge.context, ...context } } : challenge;
}

const OPERATION_PARTS = { method: NAME, toolName: NAME, resourceUri: NAME, promptName: NAME };

/** Reads an operation from a JSON-RPC message or an object. */
function operationOf(operation: unknown): Operation {
  if (typeof operation === 'string') return JSON.parse(native.operationOfMessage(operation)) as Operation;
  return { ...check(operation, OPERATION_PARTS, 'operation.') };
}

/**
 * Parses the challenge of a rejected response; `undefined` unless its status is 401 or 403.
 *
 * `Headers` joins several `WWW-Authenticate` lines into one. This only matters if a line has an unterminated quoted
 * string; pass such headers as pairs.
 *
 * ```ts
 * const challenge = parseAuthChallengeFromResponse(await fetch(url))
 * if (challenge?.reason === 'insufficient_scope') console.log(challenge.requiredScopes)
 * ```
 *
 * `operation` is what the request was doing: the JSON-RPC message, or an {@link Operation}.
 */
export function parseAuthChallengeFromResponse(
  response: ChallengedResponse,
  operation?: string | Operation,
): AuthChallenge | undefined {
  const [status, headers] = challengedBy(response);
  return during(parse(status, linesOf(headers)), operation);
}

/**
 * Reads the challenge in a tool result (`_meta["mcp/www_authenticate"]`), which servers send when the tool, not the
 * server, rejects the call.
 */
export function authChallengeFromToolResult(result: unknown): AuthChallenge | undefined {
  const challenge = native.challengeOfToolResult(toJson(result ?? null, 'the result'));
  return challenge == null ? undefined : (JSON.parse(challenge) as AuthChallenge);
}

/** Limits for nested errors: depth, errors read of one `AggregateError`, and errors in all. */
const MAX_DEPTH = 16;
const MAX_ERRORS = 64;
const MAX_LOOKED_AT = 1024;

/**
 * Finds the challenge behind an error, at any depth: an error of this package; of the official SDK, 1.x and 2.x
 * (`StreamableHTTPError`, `SseError`, `SdkHttpError`, `UnauthorizedError`, `InsufficientScopeError`, JSON-RPC errors
 * whose data holds one); of the MCP Inspector (`authChallenge`); or anything that has the rejected response, or its
 * status and header. Never throws.
 *
 * `operation` is what the request was doing: the JSON-RPC message, or an {@link Operation}.
 */
export function authChallengeFromError(error: unknown, operation?: string | Operation): AuthChallenge | undefined {
  return during(find(error), operation);
}

function find(error: unknown): AuthChallenge | undefined {
  let level: unknown[] = [error];
  const seen = new Set<unknown>();
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const one of level) {
      if (typeof one !== 'object' || one === null || seen.has(one)) continue;
      // Ends the search if an object generates its members without end.
      if (seen.size >= MAX_LOOKED_AT) return undefined;
      seen.add(one);
      const challenge = ofOne(one);
      if (challenge) return challenge;
      next.push(...inside(one));
    }
    level = next;
  }
  return undefined;
}

/** The errors that an error may wrap. */
function inside(error: unknown): unknown[] {
  const data = memberOf(error, 'data');
  const inner = [memberOf(error, 'cause'), memberOf(error, 'error'), memberOf(data, 'cause'), memberOf(data, 'error')];
  const errors = memberOf(error, 'errors');
  for (let i = 0; i < MAX_ERRORS; i++) {
    const one = memberOf(errors, String(i));
    if (one !== undefined) inner.push(one);
  }
  return inner;
}

function ofOne(error: unknown): AuthChallenge | undefined {
  const holders = [error, memberOf(error, 'data')];
  const told = holders.flatMap((holder) => [memberOf(holder, 'challenge'), memberOf(holder, 'authChallenge')]);
  const found = told.find(isChallenge);
  if (found) return found;
  const parsed = ofResponse(memberOf(error, 'response'));
  if (parsed) return parsed;
  // Some errors of 1.x have no `name` of their own.
  const names = [
    memberOf(error, 'name'),
    memberOf(memberOf(error, 'constructor'), 'name'),
    memberOf(error, 'mcpBrand'),
  ];
  const is = (name: string) => names.includes(name) || names.includes(`mcp.${name}`);
  if (is('InsufficientScopeError')) return ofScopeError(error);
  return ofParts([...told.map((one) => memberOf(one, 'raw')), ...holders], is('UnauthorizedError') ? 401 : undefined);
}

/** Builds a challenge from a status and a header that are in separate places. */
function ofParts(holders: unknown[], known: number | undefined): AuthChallenge | undefined {
  // The SDK has the status in `data` (2.x) or as `code` (1.x).
  const statuses = ['httpStatus', 'status', 'statusCode', 'code'].flatMap((name) =>
    holders.map((holder) => memberOf(holder, name)),
  );
  const status = known ?? statuses.find(isHttpStatus);
  const lines = holders.map(linesBehind).find((lines) => lines.length > 0) ?? [];
  if (status !== undefined || lines.length === 0) return parse(status, lines);
  // Without a status, as for a tool result: 403 if the header asks for scope, otherwise 401.
  const asForbidden = parse(403, lines);
  return asForbidden?.reason === 'insufficient_scope' ? asForbidden : parse(401, lines);
}

/** The `WWW-Authenticate` values of an object: its own or its header fields', or the value if it is a string. */
function linesBehind(holder: unknown): string[] {
  if (typeof holder === 'string') return [holder.toWellFormed()];
  const own = memberOf(holder, 'wwwAuthenticate');
  const lines = textsOf(own);
  return lines.length > 0 ? lines : linesAmong(memberOf(holder, 'headers'));
}

/** The `WWW-Authenticate` values of header fields of any type. */
function linesAmong(headers: unknown): string[] {
  if (headers === undefined || headers === null) return [];
  try {
    const lines = linesOf(flatHeaders(headers as HeaderFields));
    if (lines.length > 0) return lines;
  } catch {
    // The headers may only have a `get` method.
  }
  try {
    const get = declared(headers, 'get');
    return typeof get === 'function' ? textsOf(get.call(headers, 'WWW-Authenticate')) : [];
  } catch {
    return [];
  }
}

/** A string, or the strings of a list. */
function textsOf(value: unknown): string[] {
  const list = isList(value) ? Array.from({ length: MAX_ERRORS }, (_, i) => memberOf(value, String(i))) : [value];
  return list.filter((one) => typeof one === 'string' && one !== '').map((one) => (one as string).toWellFormed());
}

function isList(value: unknown): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

const REASONS: Record<Reason, true> = {
  unauthorized: true,
  token_expired: true,
  invalid_token: true,
  insufficient_scope: true,
  insufficient_user_authentication: true,
};

function isChallenge(value: unknown): value is AuthChallenge {
  const [reason, scopes] = [memberOf(value, 'reason'), memberOf(value, 'requiredScopes')];
  return typeof reason === 'string' && Object.hasOwn(REASONS, reason) && (scopes === undefined || isList(scopes));
}

function ofResponse(response: unknown): AuthChallenge | undefined {
  if (response === undefined) return undefined;
  try {
    return parseAuthChallengeFromResponse(response as ChallengedResponse);
  } catch {
    // Its headers cannot be read, or `response` is something else.
    return ofParts([response], undefined);
  }
}

/** Rebuilds the challenge that the SDK has parsed. */
function ofScopeError(error: unknown): AuthChallenge | undefined {
  const parameters = [
    ['error', 'insufficient_scope'],
    ['scope', memberOf(error, 'requiredScope')],
    ['resource_metadata', memberOf(error, 'resourceMetadataUrl')],
    ['error_description', memberOf(error, 'errorDescription')],
  ];
  const written = parameters
    .filter(([, value]) => typeof value === 'string' || isA(value, URL))
    .map(([name, value]) => `${name}="${String(value).replace(/["\\]/g, '\\$&')}"`);
  return parse(403, [`Bearer ${written.join(', ')}`.toWellFormed()]);
}
