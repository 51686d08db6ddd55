import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';

import { type AuthChallenge, authChallengeFromError, ReauthError } from 'mcp-reauth';

import { each, GARBAGE, revokedProxy, THROWN, throwingProxy } from './support/adversary.mjs';

const LIMIT = { timeout: 20_000 };

const challenge: AuthChallenge = { reason: 'insufficient_scope', requiredScopes: ['mcp:write'] };

function trap(): never {
  throw new RangeError('a trap');
}

/** An object with a property that throws. */
function trapped(name: string, rest: object = {}): object {
  return Object.defineProperty(rest, name, { get: trap, enumerable: true });
}

function nested(depth: number, innermost: unknown): unknown {
  let error = innermost;
  for (let level = 0; level < depth; level++) error = { cause: error };
  return error;
}

const cyclic: Record<string, unknown> = { errors: [] };
cyclic.cause = { cause: cyclic, errors: [cyclic, cyclic], data: { cause: cyclic }, error: cyclic };

/** Errors of every kind that have no challenge in them, by what is the matter with them. */
const NOTHING: Record<string, Record<string, unknown>> = {
  'what is no error': { ...GARBAGE, ...Object.fromEntries(THROWN.map(({ name, make }) => [name, make()])) },
  'errors without end': {
    'a cycle': cyclic,
    'causes 10,000 deep': nested(10_000, { challenge }),
    'a list of 100,000 errors': { errors: Array.from({ length: 100_000 }, () => new Error('one')) },
  },
  'lists that are none': {
    'a list that throws': { errors: throwingProxy([]) },
    'a list that is a text': { errors: '401' },
    'a list that cannot be gone through': { errors: Object.assign([1], { [Symbol.iterator]: 5 }) },
  },
  'properties that throw': {
    ...Object.fromEntries(
      ['name', 'mcpBrand', 'challenge', 'response', 'data', 'code', 'cause', 'errors', 'error'].map((name) => [
        name,
        trapped(name),
      ]),
    ),
    'data.challenge': { data: trapped('challenge') },
    'data.status': { data: trapped('status') },
    'data.cause': { data: trapped('cause') },
    'response.headers': { response: trapped('headers', { status: 500 }) },
    'response.status': { response: trapped('status', { headers: {} }) },
    'challenge.reason': { challenge: trapped('reason') },
    'a Proxy in data': { data: throwingProxy() },
    'a Proxy for a challenge': { challenge: throwingProxy() },
    'a revoked Proxy for a response': { response: revokedProxy() },
  },
  'codes that are no status': {
    'of JSON-RPC': { name: 'McpError', code: -32_001, message: 'MCP error -32001: Request timed out' },
    'of JSON-RPC, in data': { code: -32_603, data: { cause: { code: -32_000 } } },
    'of the system': { code: 'ECONNREFUSED' },
    'a text of digits': { code: '401' },
    infinite: { code: Number.POSITIVE_INFINITY },
    'no number': { code: Number.NaN },
    'a bigint': { code: 401n },
    '401 when cut off': { code: 65_536 + 401 },
    '401 when rounded': { code: 401.9 },
    '401 modulo 2 to the 32': { code: 401 - 2 ** 32 },
  },
  'statuses that are none': {
    'in data': { data: { status: -1 } },
    'of another response': { response: { status: 500, headers: {} } },
    'that are a text': { response: { status: '401', headers: {} } },
  },
  'challenges that are none': {
    'without scopes': { challenge: { reason: 'insufficient_scope' } },
    'with a text for scopes': { challenge: { reason: 'insufficient_scope', requiredScopes: 'mcp:write' } },
    'that are a text': { challenge: 'Bearer' },
  },
};

for (const [what, errors] of Object.entries(NOTHING)) {
  test(`there is no challenge behind ${what}, and looking for one does no harm`, LIMIT, () =>
    each(Object.entries(errors), (error) => assert.equal(authChallengeFromError(error), undefined)),
  );
}

test('a trap in one error does not hide the challenge in the next', LIMIT, () => {
  const good = new ReauthError('insufficient_scope', 'more is needed', { challenge });
  return each(
    Object.entries({
      'before it in a list': { errors: [throwingProxy(), revokedProxy(), good] },
      'in one beside it': { errors: [trapped('cause'), { cause: good }] },
      'in another property': trapped('error', { cause: good }),
      'in the challenge': trapped('challenge', { cause: good }),
      'in the data': { data: throwingProxy(), cause: good },
      'in the code': { code: -32_001, cause: good },
      'in the response': { response: trapped('status', { headers: {} }), cause: good },
    }),
    (error) => assert.equal(authChallengeFromError(error), challenge),
  );
});

test('an error that asks for more scope in odd types is read as far as it can be', LIMIT, () =>
  each(
    Object.entries({
      'no texts': { requiredScope: 5, resourceMetadataUrl: Symbol('address'), errorDescription: {} },
      'a text that throws': { requiredScope: 'mcp:write', errorDescription: { toString: trap } },
      'what is no text': { requiredScope: 'mcp:write', errorDescription: Object.create(null) },
      quotes: { requiredScope: '" error="x', errorDescription: '"\\', resourceMetadataUrl: 'https://a.example/"x' },
      'line ends': { requiredScope: 'a\r\nb', errorDescription: 'line\r\nWWW-Authenticate: Bearer' },
    }),
    (parts) => {
      const found = authChallengeFromError({ name: 'InsufficientScopeError', ...parts });
      assert.equal(found?.reason, 'insufficient_scope');
    },
  ),
);

test('headers of odd types do not hide that a response was rejected', LIMIT, () =>
  each(
    Object.entries({
      'a number': { 'www-authenticate': 5 },
      'a list of numbers': [5],
      'half a pair': [['www-authenticate']],
      nothing: { 'www-authenticate': null },
      'an empty list': [],
    }),
    (headers) => assert.equal(authChallengeFromError({ response: { status: 401, headers } })?.reason, 'token_expired'),
  ),
);

test('errors of another realm are read like those of this one', LIMIT, () => {
  const error = vm.runInNewContext('Object.assign(new Error("x"), { cause: { code: 403 } })');
  assert.equal(authChallengeFromError(error)?.reason, 'unauthorized');
  const many = vm.runInNewContext('new AggregateError([{ code: 401 }])');
  assert.equal(authChallengeFromError(many)?.reason, 'token_expired');
});

test('the challenge that is found is that of the outermost error that has one', LIMIT, () => {
  const other = { reason: 'token_expired', requiredScopes: [] };
  assert.equal(authChallengeFromError({ challenge, cause: { challenge: other } }), challenge);
  assert.equal(authChallengeFromError({ cause: { cause: { challenge: other } }, error: { challenge } }), challenge);
  assert.equal(authChallengeFromError(nested(10, { challenge })), challenge);
});
