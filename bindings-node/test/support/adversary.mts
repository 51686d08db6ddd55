import assert from 'node:assert/strict';
import { setImmediate as immediate } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';

import { AuthSession, ReauthError } from 'mcp-reauth';

/** The limit for anything that should be fast, in milliseconds. */
const PATIENCE = 10_000;

/** Awaits `promise`, and fails when that takes too long, so that a hang does not prevent a test's cleanup. */
export async function within<T>(promise: PromiseLike<T>, what: string, ms = PATIENCE): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it hangs: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A promise with its functions. */
export interface Deferred<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: unknown) => void;
}

export function deferred<T = void>(): Deferred<T> {
  let ends: Omit<Deferred<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    ends = { resolve, reject };
  });
  return { promise, ...(ends as Omit<Deferred<T>, 'promise'>) };
}

/** Describes any value, even one that throws when it is inspected. */
export function told(value: unknown): string {
  try {
    return value instanceof Error ? `${value.name}: ${value.message}` : String(value);
  } catch {
    return 'something that cannot be told of';
  }
}

/** Asserts that both values are identical, even if they cannot be inspected. */
export function same(actual: unknown, expected: unknown): void {
  assert.ok(Object.is(actual, expected), `${told(actual)} instead of ${told(expected)}`);
}

/** The `ReauthError` that `work` fails with; any other result fails the test. */
export async function failure(work: () => unknown, what = 'it'): Promise<ReauthError> {
  let ended: unknown;
  try {
    ended = await within(Promise.resolve(work()), what);
  } catch (error) {
    if (error instanceof ReauthError) return error;
    assert.fail(`${what}: ${told(error)} instead of a ReauthError`);
  }
  assert.fail(`${what}: did not fail, and came to ${told(ended)}`);
}

/** Checks each case, and reports all failures at once. */
export async function each<T>(cases: Iterable<readonly [string, T]>, check: (value: T, name: string) => unknown) {
  const wrong: string[] = [];
  for (const [name, value] of cases) {
    try {
      await check(value, name);
    } catch (error) {
      wrong.push(`${name}: ${told(error).split('\n')[0]}`);
    }
  }
  assert.deepEqual(wrong, []);
}

/** The `ReauthError` that opening a session fails with. */
export async function refusal(options: unknown, what = 'the session'): Promise<ReauthError> {
  return failure(async () => {
    const session = await AuthSession.open(options as never);
    await session.close();
    return 'an open session';
  }, what);
}

const CLIENT = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'mcp-reauth-test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** Calls a tool through the session's `fetch`, as a 2026-07-28 client does, which needs no MCP session. */
export function call(session: Pick<AuthSession, 'fetch'>, url: string, tool: string, signal?: AbortSignal) {
  return session.fetch(url, {
    method: 'POST',
    ...(signal && { signal }),
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': tool,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: tool, arguments: { text: 'hello' }, _meta: CLIENT },
    }),
  });
}

/** Calls a tool that must succeed. */
export async function answers(session: Pick<AuthSession, 'fetch'>, url: string, tool = 'echo'): Promise<void> {
  const response = await within(call(session, url, tool), tool);
  const text = await response.text();
  assert.equal(response.status, 200, `${tool}: ${text}`);
  assert.doesNotMatch(text, /"error"/);
}

/** Values that an application's function may throw, and what their description must contain. */
export const THROWN: readonly { name: string; make: () => unknown; words?: RegExp }[] = [
  { name: 'an Error', make: () => new Error('the dialog is broken'), words: /the dialog is broken/ },
  { name: 'an Error of a class of its own', make: () => new (class Own extends Error {})('own'), words: /own/ },
  { name: 'undefined', make: () => undefined },
  { name: 'null', make: () => null },
  { name: 'a string', make: () => 'plain words', words: /plain words/ },
  { name: 'a number', make: () => 17, words: /17/ },
  { name: 'a bigint', make: () => 17n, words: /17/ },
  { name: 'a symbol', make: () => Symbol('sym'), words: /sym/ },
  { name: 'a function', make: () => () => 1 },
  { name: 'a frozen object', make: () => Object.freeze({ reason: 'frozen' }) },
  { name: 'an object without a prototype', make: () => Object.create(null) },
  { name: 'an object whose toString throws', make: () => ({ toString: refuse }) },
  { name: 'an object whose toString returns no text', make: () => ({ toString: () => ({}) }) },
  { name: 'a ReauthError', make: () => new ReauthError('timeout', 'nobody came'), words: /nobody came/ },
  { name: 'an Error whose message is a number', make: () => Object.assign(new Error(), { message: 5 }) },
  { name: 'an Error whose message is undefined', make: () => Object.assign(new Error(), { message: undefined }) },
  { name: 'an Error whose message is a bigint', make: () => Object.assign(new Error(), { message: 5n }) },
  { name: 'an Error whose message has half a character', make: () => new Error('half \ud800'), words: /half/ },
  {
    name: 'an Error whose message throws',
    make: () => Object.defineProperty(new Error(), 'message', { get: refuse }),
  },
  { name: 'an object whose name throws', make: () => Object.defineProperty({}, 'name', { get: refuse }) },
  { name: 'a Proxy that throws', make: throwingProxy },
  { name: 'a Proxy that was revoked', make: revokedProxy },
];

function refuse(): never {
  throw new RangeError('a trap');
}

/** A Proxy that throws on every operation. */
export function throwingProxy(target: object = {}): object {
  const traps = Reflect.ownKeys(Reflect).filter((name) => typeof name === 'string');
  return new Proxy(target, Object.fromEntries(traps.map((name) => [name, refuse])));
}

/** A revoked Proxy. */
export function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** Marks values that must not be quoted. */
export const SECRET = 'vErY-sEcReT';

const cyclic: Record<string, unknown> = { name: SECRET };
cyclic.self = cyclic;

/** Values that no function of this package expects. */
export const GARBAGE: Readonly<Record<string, unknown>> = {
  undefined: undefined,
  null: null,
  'a flag': true,
  'a number': 42,
  'no number': Number.NaN,
  'a bigint': 1n,
  'a symbol': Symbol(SECRET),
  'a text': SECRET,
  'a list': [],
  'a list of lists': [[SECRET]],
  'an object': {},
  'an object without a prototype': Object.create(null),
  'an object with a bigint': { reason: 1n },
  'a cycle': cyclic,
  'a function': () => SECRET,
  'what becomes nothing in JSON': { toJSON: () => undefined },
  'what throws in JSON': { toJSON: refuse },
  'a Proxy that throws': throwingProxy(),
  'a Proxy that was revoked': revokedProxy(),
};

/** Incomplete responses. */
export const RESPONSES: Readonly<Record<string, unknown>> = {
  'no headers': { status: 401 },
  'headers that are null': { status: 401, headers: null },
  'headers that are a text': { status: 401, headers: SECRET },
  'headers that are numbers': { status: 401, headers: [5] },
  'headers that are half a pair': { status: 401, headers: [['www-authenticate']] },
  'headers that are triples': { status: 401, headers: [['www-authenticate', 'Bearer', 'x']] },
  'a header that is a number': { status: 401, headers: { 'www-authenticate': 5 } },
  'a header that is a list of numbers': { status: 401, headers: { 'www-authenticate': [5] } },
  'a status that is a text': { status: '401', headers: {} },
  'a status that is negative': { status: -32_001, headers: {} },
  'a status that is too large': { status: 65_536 + 401, headers: {} },
  'a status that is 401 modulo 2 to the 32': { status: 401 - 2 ** 32, headers: {} },
  'a status with a fraction': { status: 401.5, headers: {} },
  'a status that is no number': { status: Number.NaN, headers: {} },
  'a status that is infinite': { status: Number.POSITIVE_INFINITY, headers: {} },
  'a status that is a bigint': { status: 401n, headers: {} },
  'a status that is null': { status: null, statusCode: null, headers: {} },
};

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc') as () => void;

/** Collects garbage until the target of `ref` is gone, or until it clearly stays. */
export async function collectGarbage(ref?: WeakRef<object>): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    // Dereferencing a weak reference keeps its target alive until the end of the turn.
    await immediate();
    collect();
    // Finalizers run between turns.
    await immediate();
    if (ref && !ref.deref()) return;
  }
}
