import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { type AuthorizationRequest, ReauthError } from 'mcp-reauth';

import { answers, each, failure, same, THROWN, within } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { sessionsAt } from './support/host-sessions.mjs';
import { Person } from './support/person.mjs';

const LIMIT = { timeout: 60_000 };

const fixture = await Fixture.start();
after(() => fixture[Symbol.asyncDispose]());
const { echo, functions, open, signedIn, writeNote } = sessionsAt(fixture.mcpUrl);

const WAYS = {
  throws: (thrown: unknown) => () => {
    throw thrown;
  },
  rejects: (thrown: unknown) => () => Promise.reject(thrown),
  'returns a thenable that rejects': (thrown: unknown) => () => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what a thenable is.
    then: (_: unknown, reject: (thrown: unknown) => void) => reject(thrown),
  }),
};

for (const [name, { begin, request }] of Object.entries(functions)) {
  for (const [way, make] of Object.entries(WAYS)) {
    test(`${name} that ${way} fails the request by a host error whose cause it is, whatever it is`, LIMIT, () =>
      each(
        THROWN.map(({ name, ...thrown }) => [name, thrown] as const),
        async ({ make: makeThrown, words }) => {
          const thrown = makeThrown();
          await using session = await begin({ [name]: make(thrown) });
          const error = await within(
            failure(() => request(session)),
            'the request',
            4_000,
          );
          assert.equal(error.code, 'host');
          same(error.cause, thrown);
          assert.match(error.message, words ?? /./);
          assert.doesNotMatch(error.message, /line \d+, column|napi|rust|panic/i);
        },
      ),
    );
  }
}

test('an outcome tells of a host that failed as an error does, with the cause', LIMIT, async () => {
  const thrown = new Error('the browser does not start');
  await using session = await open({ authorize: () => Promise.reject(thrown) });
  const outcome = await session.signIn();
  assert.ok(outcome.kind === 'failed' && outcome.error instanceof ReauthError);
  assert.equal(outcome.error.code, 'host');
  same(outcome.error.cause, thrown);
});

test('a host that fails fails nothing but the request, and is asked again by the next one', LIMIT, async () => {
  let fails = true;
  const person = new Person();
  await using session = await open({
    authorize(request: AuthorizationRequest) {
      if (fails) throw new Error('the browser does not start');
      return person.authorize(request);
    },
  });
  assert.equal((await failure(() => echo(session))).code, 'host');
  assert.equal((await session.connectionState()).pending, 0);
  fails = false;
  await answers(session, fixture.mcpUrl);
});

for (const [kind, make] of Object.entries({
  'an AbortError': () => new DOMException('stop', 'AbortError'),
  'an Error called AbortError': () => Object.assign(new Error('stop'), { name: 'AbortError' }),
  'a ReauthError that says cancelled': () => new ReauthError('cancelled', 'stop'),
  'the reason of an AbortSignal': () => AbortSignal.abort().reason,
})) {
  test(`a host that throws ${kind} has cancelled it`, LIMIT, async () => {
    await using session = await open({ authorize: () => Promise.reject(make()) });
    assert.equal((await failure(() => echo(session))).code, 'cancelled');
    await using other = await signedIn({ confirmStepUp: () => Promise.reject(make()) });
    assert.equal((await failure(() => writeNote(other))).code, 'cancelled');
    await answers(other, fixture.mcpUrl);
  });
}

const NO_FLAGS = [undefined, null, 0, 1, '', 'yes', 'true', [], {}, new Boolean(true), Symbol('yes'), 1n, () => true];

test('confirmStepUp that returns anything but true or false is no consent', LIMIT, async () => {
  const answersOf = (value: unknown) => [() => value, async () => value];
  for (const confirmStepUp of NO_FLAGS.flatMap(answersOf)) {
    await using session = await signedIn({ confirmStepUp });
    const error = await failure(() => writeNote(session), String(confirmStepUp()));
    assert.equal(error.code, 'host');
    assert.match(error.message, /host\.confirmStepUp must return true or false/);
    assert.ok(error.cause instanceof TypeError);
  }
});

test('redirectUri that returns no address fails by a host error that names it', LIMIT, () =>
  each(
    [undefined, null, 5, {}, [], '', 'callback', '/callback', 'not an address', 'http://127.0.0.1/cb#fragment'].map(
      (value) => [String(value), value] as const,
    ),
    async (value) => {
      await using session = await open({ redirectUri: () => value });
      const error = await failure(() => echo(session));
      assert.equal(error.code, 'host', error.message);
      assert.match(error.message, /redirectUri/);
    },
  ),
);

test('a no is a no: the request fails by consent_denied, and the session goes on', LIMIT, async () => {
  await using session = await signedIn({ confirmStepUp: async () => false });
  assert.equal((await failure(() => writeNote(session))).code, 'consent_denied');
  await answers(session, fixture.mcpUrl);
});

test('many sessions that fail at once keep their causes apart', LIMIT, async () => {
  const thrown = Array.from({ length: 40 }, (_, number) => new Error(`host ${number}`));
  const sessions = await Promise.all(thrown.map((error) => open({ authorize: () => Promise.reject(error) })));
  const failed = await Promise.all(sessions.map((session) => failure(() => echo(session))));
  assert.deepEqual(
    failed.map(({ cause }) => cause),
    thrown,
  );
  await Promise.all(sessions.map((session) => session.close()));
});
