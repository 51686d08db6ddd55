import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import type { AuthorizationRequest, Callback } from 'mcp-reauth';

import { answers, deferred, each, failure, revokedProxy, SECRET } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { sessionsAt } from './support/host-sessions.mjs';
import { visit } from './support/person.mjs';

const LIMIT = { timeout: 60_000 };

const fixture = await Fixture.start();
after(() => fixture[Symbol.asyncDispose]());
const { echo, open } = sessionsAt(fixture.mcpUrl);

const FORMS: Record<string, (callback: URL) => unknown> = {
  'a URL': (callback) => callback,
  'an address': (callback) => callback.href,
  'an address with a fragment': (callback) => `${callback.href}#_=_`,
  'a query': (callback) => callback.search,
  'a query without its question mark': (callback) => callback.search.slice(1),
  URLSearchParams: (callback) => callback.searchParams,
  'its parameters': ({ searchParams }) => Object.fromEntries(searchParams),
  'its parameters, some of them undefined': ({ searchParams }) => ({
    ...Object.fromEntries(searchParams),
    error: undefined,
  }),
  'a promise': async (callback) => callback,
  // biome-ignore lint/suspicious/noThenProperty: that is what a thenable is.
  'a thenable': (callback) => ({ then: (resolve: (callback: URL) => void) => resolve(callback) }),
};

for (const [form, make] of Object.entries(FORMS)) {
  test(`authorize may return the callback as ${form}`, LIMIT, async () => {
    await using session = await open({
      authorize: async ({ url }: AuthorizationRequest) => make(await visit(url)),
    });
    await answers(session, fixture.mcpUrl);
  });

  if (form === 'a promise' || form === 'a thenable') continue;
  test(`completeAuthorization takes the callback as ${form}`, LIMIT, async () => {
    const asked = deferred<AuthorizationRequest>();
    await using session = await open({ authorize: asked.resolve });
    const error = await failure(() => echo(session));
    assert.equal(error.code, 'interaction_required');
    const { url } = await asked.promise;
    assert.equal(error.authorizationUrl, url);
    assert.equal((await session.connectionState()).pending, 1);
    const callback = await visit(url);
    await session.completeAuthorization(make(callback) as Callback);
    await answers(session, fixture.mcpUrl);
    const again = await failure(() => session.completeAuthorization(make(callback) as Callback));
    assert.equal(again.code, 'state_mismatch');
  });
}

test('authorize that returns what is no callback fails by a host error that says what is one', LIMIT, async () => {
  for (const value of [5, true, [], {}, { code: 'a' }, { state: 'a' }, Symbol('s'), () => '', new Map(), 1n, NaN]) {
    await using session = await open({ authorize: () => value });
    const error = await failure(() => echo(session), String(value));
    assert.equal(error.code, 'host');
    assert.match(error.message, /what host\.authorize returns must be the callback's URL or query/);
    assert.equal((await session.connectionState()).pending, 0);
  }
});

test('authorize that returns a callback that nobody waits for fails by state_mismatch, and quotes nothing', LIMIT, () =>
  each(
    Object.entries({
      nothing: '',
      words: SECRET,
      'another state': `code=${SECRET}&state=${SECRET}`,
      'an address without a query': new URL(`https://a.example/${SECRET}`),
      'no parameters': new URLSearchParams(),
      'parameters that are no texts': { code: null, state: 5n },
      'half a character': `state=\ud800&code=${SECRET}`,
    }),
    async (value) => {
      await using session = await open({ authorize: () => value });
      const error = await failure(() => echo(session));
      assert.equal(error.code, 'state_mismatch', error.message);
      assert.ok(!`${error.message}${error.sentence}`.includes(SECRET));
    },
  ),
);

test('authorize that returns what cannot be read fails by a host error', LIMIT, () =>
  each(
    Object.entries({
      'a revoked Proxy': revokedProxy(),
      'a value that throws': {
        code: SECRET,
        state: {
          toString() {
            throw new RangeError('a trap');
          },
        },
      },
      'a value without a text': { code: Object.create(null), state: SECRET },
    }),
    async (value) => {
      await using session = await open({ authorize: () => value });
      const error = await failure(() => echo(session));
      assert.equal(error.code, 'host');
      assert.ok(error.cause instanceof Error);
      assert.ok(!error.message.includes(SECRET));
    },
  ),
);
