import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';

import { type AuthChallenge, authChallengeFromError, parseAuthChallengeFromResponse, ReauthError } from 'mcp-reauth';

import { each, GARBAGE, revokedProxy, THROWN, throwingProxy } from './support/adversary.mjs';

const LIMIT = { timeout: 20_000 };

const challenge: AuthChallenge = { reason: 'insufficient_scope', requiredScopes: ['mcp:write'] };

function trap(): never {
  throw new RangeError('a trap');
}

/** An object with a property that throws when it is read. */
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

/** Errors of every kind without a challenge, by what is wrong with them. */
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
    'of an unknown reason': { challenge: { reason: 'because', requiredScopes: ['mcp:write'] } },
    'without a reason': { authChallenge: { requiredScopes: ['mcp:write'], raw: {} } },
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

const SCOPE = 'Bearer error="insufficient_scope", scope="mcp:write"';
const asking = { get: (name: string) => (name.toLowerCase() === 'www-authenticate' ? SCOPE : null) };

/** How other programs store a challenge in an error. */
const CARRIED: Record<string, object> = {
  'a challenge of the Inspector': { authChallenge: challenge, status: 403 },
  'its raw part': { authChallenge: { raw: { httpStatus: 403, wwwAuthenticate: SCOPE } } },
  'its raw part, as a text': { authChallenge: { raw: SCOPE } },
  'a challenge that knows no more than its raw part': { challenge: { raw: { wwwAuthenticate: SCOPE } }, code: 403 },
  'a status and the header': { status: 403, wwwAuthenticate: SCOPE },
  'a code and the header': { code: 403, wwwAuthenticate: SCOPE },
  'a status of node:http and lines': { statusCode: 403, wwwAuthenticate: ['Basic realm="x"', SCOPE] },
  'a status and fields that can be asked': { status: 403, headers: asking },
  'a status and Headers': { status: 403, headers: new Headers({ 'WWW-Authenticate': SCOPE }) },
  'a status and an object of fields': { status: 403, headers: { 'WWW-Authenticate': [SCOPE] } },
  'the header alone': { wwwAuthenticate: SCOPE },
  'the header, and a code of JSON-RPC': { code: -32_001, wwwAuthenticate: SCOPE },
  'data with a status and the header': { data: { status: 403, wwwAuthenticate: SCOPE } },
  'data with a challenge': { data: { authChallenge: challenge } },
  'a response whose fields can be asked': { response: { status: 403, headers: asking } },
  'a response': { response: new Response(null, { status: 403, headers: { 'WWW-Authenticate': SCOPE } }) },
};

/** Ways to wrap an error. */
const WRAPPED: Record<string, (error: object) => object> = {
  itself: (error) => error,
  'an Error': (error) => Object.assign(new Error('x'), error),
  'in cause': (error) => new Error('x', { cause: error }),
  'in data.cause': (error) => Object.assign(new Error('x'), { code: -32_001, data: { cause: error } }),
  'in cause of data.cause': (error) => ({ data: { cause: new Error('x', { cause: error }) } }),
  'in an AggregateError': (error) => new AggregateError([new Error('y'), undefined, error]),
};

for (const [way, wrap] of Object.entries(WRAPPED)) {
  test(`what a server asked for is found however it is carried, ${way}`, LIMIT, () =>
    each(Object.entries(CARRIED), (carried) => {
      const found = authChallengeFromError(wrap(carried));
      assert.deepEqual([found?.reason, found?.requiredScopes], ['insufficient_scope', ['mcp:write']]);
    }),
  );
}

test('a status that is no rejection is none, whatever header is beside it', LIMIT, () =>
  each(
    Object.entries({
      status: { status: 500, wwwAuthenticate: SCOPE },
      raw: { authChallenge: { raw: { httpStatus: 200 } } },
    }),
    (error) => assert.equal(authChallengeFromError(error), undefined),
  ),
);

test('what makes up its members as it is asked for them has an end', LIMIT, () => {
  const endless = (): object =>
    new Proxy(
      {},
      {
        get: () => endless(),
        getPrototypeOf: () => endless(),
        getOwnPropertyDescriptor: () => ({ value: endless(), configurable: true, enumerable: true, writable: true }),
      },
    );
  const start = performance.now();
  assert.equal(authChallengeFromError(endless()), undefined);
  const grown = new Proxy([] as unknown[], { get: () => grown, getOwnPropertyDescriptor: () => undefined });
  assert.equal(authChallengeFromError({ errors: grown, cause: grown }), undefined);
  const fields = {
    *[Symbol.iterator]() {
      for (;;) yield ['a', 'b'];
    },
  };
  for (const headers of [fields, endless()]) {
    assert.equal(authChallengeFromError({ status: 401, headers })?.reason, 'token_expired');
    assert.equal(authChallengeFromError({ response: { status: 401, headers } })?.reason, 'token_expired');
  }
  assert.ok(performance.now() - start < 10_000);
});

test('the operation goes along, as a message or taken apart', LIMIT, () => {
  const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'write_note' } });
  const context = { method: 'tools/call', toolName: 'write_note' };
  const response = { status: 403, headers: { 'www-authenticate': SCOPE } };
  for (const operation of [message, context]) {
    assert.deepEqual(parseAuthChallengeFromResponse(response, operation)?.context, context);
    assert.deepEqual(authChallengeFromError({ response }, operation)?.context, context);
  }
  for (const operation of [undefined, {}, '', 'no JSON', '[]', JSON.stringify({ result: {} })]) {
    assert.equal(parseAuthChallengeFromResponse(response, operation)?.context, undefined);
  }
  const found = authChallengeFromError(
    { challenge: { ...challenge, context: { method: 'x', resourceUri: 'y' } } },
    context,
  );
  assert.deepEqual(found?.context, { ...context, resourceUri: 'y' });
  assert.equal(challenge.context, undefined);
  assert.equal(parseAuthChallengeFromResponse({ ...response, status: 200 }, context), undefined);
  for (const operation of [5, null, { toolName: 5 }, { name: 'x' }]) {
    assert.throws(() => parseAuthChallengeFromResponse(response, operation as never), { code: 'config' });
  }
});

test('what is not known of a challenge is not there', LIMIT, () => {
  const found = parseAuthChallengeFromResponse({ status: 401, headers: {} });
  assert.deepEqual(found, { reason: 'token_expired', raw: { httpStatus: 401 } });
});

test('the challenge that is found is that of the outermost error that has one', LIMIT, () => {
  const other = { reason: 'token_expired', requiredScopes: [] };
  assert.equal(authChallengeFromError({ challenge, cause: { challenge: other } }), challenge);
  assert.equal(authChallengeFromError({ cause: { cause: { challenge: other } }, error: { challenge } }), challenge);
  assert.equal(authChallengeFromError(nested(10, { challenge })), challenge);
});
