import { ReauthError } from './error.js';
import { native } from './native.js';
import { scopeList } from './scope.js';
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
  if (Symbol.iterator in headers) return [...(headers as Iterable<readonly [string, string]>)].flat();
  return Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().flatMap((line) => [name, line]));
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

function challengeLines(headers: HeaderFields): string[] {
  const flat = flatHeaders(headers);
  return flat.filter((_, i) => i % 2 === 1 && flat[i - 1]?.toLowerCase() === 'www-authenticate');
}

/** Codes of JSON-RPC errors are numbers too. */
export const isHttpStatus = (status: unknown): status is number =>
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
  return parse(response.status ?? response.statusCode, challengeLines(response.headers));
}

/**
 * The challenge inside a tool's result (`_meta["mcp/www_authenticate"]`), as servers send it that let a call through
 * and have the tool refuse it.
 */
export function authChallengeFromToolResult(result: unknown): AuthChallenge | undefined {
  const challenge = native.challengeOfToolResult(JSON.stringify(result ?? null));
  return challenge == null ? undefined : (JSON.parse(challenge) as AuthChallenge);
}

/** How deep errors are nested at the most. */
const MAX_DEPTH = 16;

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

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

function inside(error: Fields | object): unknown[] {
  const { cause, errors, data, error: inner } = error as Fields;
  return [cause, ...(Array.isArray(errors) ? errors : []), isObject(data) ? data.cause : undefined, inner];
}

function ofOne(error: Fields | object): AuthChallenge | undefined {
  if (error instanceof ReauthError) return error.challenge;
  const { mcpBrand, challenge, response, data, code } = error as Fields;
  // 1.x does not give all of its errors a name of their own.
  const names = [(error as Fields).name, error.constructor?.name, mcpBrand];
  const is = (name: string) => names.includes(name) || names.includes(`mcp.${name}`);
  const found = [challenge, isObject(data) ? data.challenge : undefined].find(isChallenge);
  if (found) return found;
  if (isObject(response) && isObject(response.headers)) {
    const parsed = parseAuthChallengeFromResponse(response as unknown as ChallengedResponse);
    if (parsed) return parsed;
  }
  if (is('InsufficientScopeError')) return ofScopeError(error as Fields);
  // 2.x has the status in its data, 1.x as the code.
  const status = isObject(data) && typeof data.status === 'number' ? data.status : code;
  return parse(is('UnauthorizedError') ? 401 : status, []);
}

function isChallenge(value: unknown): value is AuthChallenge {
  return isObject(value) && typeof value.reason === 'string' && Array.isArray(value.requiredScopes);
}

/** The SDK has taken the challenge apart. */
function ofScopeError({ requiredScope, resourceMetadataUrl, errorDescription }: Fields): AuthChallenge | undefined {
  const quoted = (value: unknown) => `"${String(value).replace(/["\\]/g, '\\$&')}"`;
  const scopes = scopeList(typeof requiredScope === 'string' ? requiredScope : undefined).join(' ');
  const parameters = [
    'error="insufficient_scope"',
    ...(scopes ? [`scope=${quoted(scopes)}`] : []),
    ...(resourceMetadataUrl ? [`resource_metadata=${quoted(resourceMetadataUrl)}`] : []),
    ...(errorDescription ? [`error_description=${quoted(errorDescription)}`] : []),
  ];
  return parse(403, [`Bearer ${parameters.join(', ')}`]);
}
