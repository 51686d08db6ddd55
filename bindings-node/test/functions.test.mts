import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  authChallengeFromToolResult,
  computeScopeUnion,
  isStrictScopeSuperset,
  loopbackHost,
  parseAuthChallengeFromResponse,
  ReauthError,
  scopeDifference,
  scopesCover,
  wording,
} from 'mcp-reauth';

import { each, GARBAGE, RESPONSES, SECRET, told } from './support/adversary.mjs';

const LIMIT = { timeout: 20_000 };

/** Stands for a `config` error. */
const REFUSED = Symbol('refused');

/** The result of `work`, which may throw a `config` error and nothing else. */
function says(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ReauthError)) assert.fail(`${told(error)} instead of a ReauthError`);
    assert.equal(error.code, 'config', error.message);
    assert.ok(!`${error.message}${error.sentence}`.includes(SECRET), error.message);
    return REFUSED;
  }
}

test('what is no response holds no challenge, or is refused', LIMIT, () =>
  each(Object.entries(GARBAGE), (value) => {
    const found = says(() => parseAuthChallengeFromResponse(value as never));
    assert.ok(found === REFUSED || found === undefined);
  }),
);

test('a response that is half of one is read as far as it can be, or refused', LIMIT, () =>
  each(Object.entries(RESPONSES), (value, kind) => {
    const found = says(() => parseAuthChallengeFromResponse(value as never));
    // A value that is not an HTTP status must be rejected or ignored.
    if (kind.startsWith('a status')) assert.ok(found === REFUSED || found === undefined, JSON.stringify(found));
  }),
);

test('what is no result of a tool holds no challenge, or is refused', LIMIT, () =>
  each(Object.entries(GARBAGE), (value, kind) => {
    const results: unknown[] = [value, { isError: value }, { isError: true, _meta: value }];
    if (kind !== 'a text') results.push({ isError: true, _meta: { 'mcp/www_authenticate': value } });
    for (const result of results) {
      const found = says(() => authChallengeFromToolResult(result));
      assert.ok(found === REFUSED || found === undefined);
    }
  }),
);

test('a tool result that holds a challenge holds it whatever else is in it', LIMIT, () =>
  each(Object.entries(GARBAGE), (value) => {
    const challenge = { 'mcp/www_authenticate': 'Bearer error="invalid_token"' };
    const result = { isError: true, structuredContent: value, content: [value], _meta: challenge };
    const found = says(() => authChallengeFromToolResult(result)) as { reason: string } | symbol | undefined;
    // A value that cannot be JSON cannot come from a server.
    if (typeof found === 'object') assert.equal(found.reason, 'invalid_token');
  }),
);

for (const compare of [isStrictScopeSuperset, scopesCover, scopeDifference, computeScopeUnion]) {
  test(`${compare.name} refuses what is no set of scopes, on either side`, LIMIT, () =>
    each(Object.entries(GARBAGE), (value, kind) => {
      const good = ['undefined', 'a text', 'a list'].includes(kind);
      for (const sets of [[value, 'a'] as const, ['a', value] as const]) {
        const answer = says(() => (compare as (...sets: unknown[]) => unknown)(...sets));
        assert.equal(answer !== REFUSED, good, `it came to ${told(answer)}`);
      }
    }),
  );
}

for (const [name, say] of Object.entries(wording)) {
  test(`wording.${name} makes a text of whatever it is given, or refuses it`, LIMIT, () =>
    each(Object.entries(GARBAGE), (value) => {
      for (const parts of [
        [value, value, value],
        ['server', value, []],
        ['server', { reason: value }, value],
      ]) {
        const sentence = says(() => (say as (...parts: unknown[]) => unknown)(...parts));
        assert.ok(sentence === REFUSED || (typeof sentence === 'string' && sentence !== ''), told(sentence));
      }
    }),
  );
}

test('there is a sentence for whatever was thrown', LIMIT, () =>
  each(Object.entries(GARBAGE), (value) => {
    const sentence = wording.failure(value);
    assert.equal(typeof sentence, 'string');
    assert.notEqual(sentence, '');
  }),
);

test('a loopback host is not made of what makes none', LIMIT, () =>
  each(Object.entries(GARBAGE), (value) => {
    for (const options of [value, { redirectUri: value }, { openBrowser: value }])
      says(() => loopbackHost(options as never));
  }),
);
