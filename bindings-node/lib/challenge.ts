import { check, NAME } from './check.js';
import { declared, describe, isA, memberOf, wordsOf } from './describe.js';
import { misconfigured } from './error.js';
import { toJson } from './json.js';
import { native } from './native.js';
import type { AuthChallenge, Operation, Reason } from './types.js';

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

/** How many header fields a response may have. */
const MAX_FIELDS = 10_000;

/** What can be gone through, as a list; it may have no end. */
function pairsOf(headers: Iterable<readonly [string, string]>): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  for (const pair of headers) {
    if (pairs.push(pair) > MAX_FIELDS) throw new TypeError(`there are more than ${MAX_FIELDS} header fields`);
  }
  return pairs;
}

/** Names and values in turn. */
export function flatHeaders(headers: HeaderFields): string[] {
  if (isA(headers, Headers)) return [...headers].flatMap(([name, value]) => [name, asUtf8(value)]);
  if (typeof headers !== 'object' || headers === null) throw new TypeError(`its headers are ${describe(headers)}`);
  const isList = Symbol.iterator in headers;
  const pairs = isList ? pairsOf(headers as Iterable<readonly [string, string]>) : Object.entries(headers);
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
    const status = declared(response, 'status') ?? declared(response, 'statusCode');
    if (!isHttpStatus(status)) throw new TypeError(`its status is ${describe(status)}`);
    return [status, flatHeaders(declared(response, 'headers') as HeaderFields)];
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

/** The lines of `WWW-Authenticate` among names and values in turn. */
function linesOf(headers: string[]): string[] {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === 'www-authenticate');
}

/** Adds what was being done. */
function during(challenge: AuthChallenge | undefined, operation: unknown): AuthChallenge | undefined {
  if (operation === undefined) return challenge;
  const context = operationOf(operation);
  const known = Object.keys(context).length > 0;
  return challenge && known ? { ...challenge, context: { ...challenge.context, ...context } } : challenge;
}

const OPERATION_PARTS = { method: NAME, toolName: NAME, resourceUri: NAME, promptName: NAME };

/** What was being done: a message as it was sent, or what it comes to. */
function operationOf(operation: unknown): Operation {
  if (typeof operation === 'string') return JSON.parse(native.operationOfMessage(operation)) as Operation;
  return { ...check(operation, OPERATION_PARTS, 'operation.') };
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
 *
 * `operation` is what was being done: the JSON-RPC message as it was sent, or what it comes to.
 */
export function parseAuthChallengeFromResponse(
  response: ChallengedResponse,
  operation?: string | Operation,
): AuthChallenge | undefined {
  const [status, headers] = challengedBy(response);
  return during(parse(status, linesOf(headers)), operation);
}

/**
 * The challenge inside a tool's result (`_meta["mcp/www_authenticate"]`), as servers send it that let a call through
 * and have the tool refuse it.
 */
export function authChallengeFromToolResult(result: unknown): AuthChallenge | undefined {
  const challenge = native.challengeOfToolResult(toJson(result ?? null, 'the result'));
  return challenge == null ? undefined : (JSON.parse(challenge) as AuthChallenge);
}

/** How deep errors are nested at the most, how many of an aggregate are looked into, and how many in all. */
const MAX_DEPTH = 16;
const MAX_ERRORS = 64;
const MAX_LOOKED_AT = 1024;

/**
 * The challenge behind an error, however deep: of this package; of the official SDK, both 1.x and 2.x
 * (`StreamableHTTPError`, `SseError`, `SdkHttpError`, `UnauthorizedError`, `InsufficientScopeError`, JSON-RPC errors
 * whose data hold one); of the MCP Inspector (`authChallenge`); or of anything that has the rejected response, or its
 * status and header. Whatever the error is, it does not throw.
 *
 * `operation` is what was being done: the JSON-RPC message as it was sent, or what it comes to.
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
      // What makes up its members as they are asked for has no end.
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

/** What an error may be wrapped around. */
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
  // 1.x does not give all of its errors a name of their own.
  const names = [
    memberOf(error, 'name'),
    memberOf(memberOf(error, 'constructor'), 'name'),
    memberOf(error, 'mcpBrand'),
  ];
  const is = (name: string) => names.includes(name) || names.includes(`mcp.${name}`);
  if (is('InsufficientScopeError')) return ofScopeError(error);
  return ofParts([...told.map((one) => memberOf(one, 'raw')), ...holders], is('UnauthorizedError') ? 401 : undefined);
}

/** A challenge in pieces: the status and the header, wherever they are. */
function ofParts(holders: unknown[], known: number | undefined): AuthChallenge | undefined {
  // 2.x of the SDK has the status in its data, 1.x as the code.
  const statuses = ['httpStatus', 'status', 'statusCode', 'code'].flatMap((name) =>
    holders.map((holder) => memberOf(holder, name)),
  );
  const status = known ?? statuses.find(isHttpStatus);
  const lines = holders.map(linesBehind).find((lines) => lines.length > 0) ?? [];
  if (status !== undefined || lines.length === 0) return parse(status, lines);
  // As for a tool's result: a server that asks for scope would say 403.
  const asForbidden = parse(403, lines);
  return asForbidden?.reason === 'insufficient_scope' ? asForbidden : parse(401, lines);
}

/** The lines of `WWW-Authenticate` that something has, by that name, among header fields, or as itself. */
function linesBehind(holder: unknown): string[] {
  if (typeof holder === 'string') return [holder.toWellFormed()];
  const own = memberOf(holder, 'wwwAuthenticate');
  const lines = textsOf(own);
  return lines.length > 0 ? lines : linesAmong(memberOf(holder, 'headers'));
}

/** The same of header fields, which may be of any kind. */
function linesAmong(headers: unknown): string[] {
  if (headers === undefined || headers === null) return [];
  try {
    const lines = linesOf(flatHeaders(headers as HeaderFields));
    if (lines.length > 0) return lines;
  } catch {
    // They may be something that can be asked alone.
  }
  try {
    const get = declared(headers, 'get');
    return typeof get === 'function' ? textsOf(get.call(headers, 'WWW-Authenticate')) : [];
  } catch {
    return [];
  }
}

/** A text, or those of a list. */
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
    // Its headers cannot be read, or something else goes by that name there.
    return ofParts([response], undefined);
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
    .filter(([, value]) => typeof value === 'string' || isA(value, URL))
    .map(([name, value]) => `${name}="${String(value).replace(/["\\]/g, '\\$&')}"`);
  return parse(403, [`Bearer ${written.join(', ')}`.toWellFormed()]);
}
