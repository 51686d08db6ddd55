import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { after, test } from 'node:test';

import type { AuthorizationRequest, AuthSession, HostContext } from 'mcp-reauth';

import { answers, deferred, failure, within } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { sessionsAt } from './support/host-sessions.mjs';
import { Person, visit } from './support/person.mjs';
import { MapStore } from './support/stores.mjs';

const LIMIT = { timeout: 60_000 };

const fixture = await Fixture.start();
after(() => fixture[Symbol.asyncDispose]());
const { echo, functions, open, signedIn, writeNote } = sessionsAt(fixture.mcpUrl);

test(
  'a host that takes longer than the policy allows is told so by its signal, and the request fails',
  LIMIT,
  async () => {
    const takesTooLong = async ({ begin, request }: (typeof functions)['authorize'], name: string) => {
      const aborted = deferred<unknown>();
      const slow = (...given: unknown[]) => {
        const { signal } = given.at(-1) as HostContext;
        signal.addEventListener('abort', () => aborted.resolve(signal.reason));
        return new Promise(() => {});
      };
      // A user who signs in through a well-behaved host is fast enough.
      await using session = await begin({ [name]: slow }, { policy: { interactionTimeoutMs: 3_000 } });
      assert.equal((await failure(() => request(session), name)).code, 'timeout');
      assert.equal(((await within(aborted.promise, name)) as Error).name, 'AbortError');
    };
    await Promise.all(Object.entries(functions).map(([name, one]) => takesTooLong(one, name)));
  },
);

test('an abort ends the waiting of a request with its reason, and what the person began goes on', LIMIT, async () => {
  const asked = deferred<HostContext>();
  const answer = deferred<void>();
  let visits = 0;
  await using session = await open({
    async authorize({ url }: AuthorizationRequest, context: HostContext) {
      visits++;
      asked.resolve(context);
      await answer.promise;
      return visit(url);
    },
  });
  const stop = new AbortController();
  const request = echo(session, stop.signal);
  const { signal } = await within(asked.promise, 'authorize');
  const reason = new Error('the user pressed escape');
  stop.abort(reason);
  await assert.rejects(within(request, 'the request'), (error) => error === reason);
  assert.equal(signal.aborted, false);
  // The next caller needs no second visit.
  const next = answers(session, fixture.mcpUrl);
  answer.resolve();
  await next;
  assert.equal(visits, 1);
});

test('a request whose signal is aborted already asks nobody', LIMIT, async () => {
  let asked = 0;
  await using session = await open({ authorize: () => asked++ });
  const reason = { name: 'own reason' };
  await assert.rejects(echo(session, AbortSignal.abort(reason)), (error) => error === reason);
  assert.equal(asked, 0);
});

for (const [name, { begin, request }] of Object.entries(functions)) {
  test(`closing a session aborts ${name}, and whoever waits for it is told cancelled`, LIMIT, async () => {
    const asked = deferred<HostContext>();
    const session = await begin({
      [name](...parts: unknown[]) {
        asked.resolve(parts.at(-1) as HostContext);
        return new Promise(() => {});
      },
    });
    const failed = failure(() => request(session));
    const { signal } = await within(asked.promise, name);
    const aborted = once(signal, 'abort');
    await within(session.close(), 'closing', 4_000);
    assert.equal((await failed).code, 'cancelled');
    await within(aborted, 'the signal', 4_000);
    assert.equal(signal.reason.name, 'AbortError');
  });

  test(`${name} that returns, or throws, after the session was closed does no harm`, LIMIT, async () => {
    for (const late of [() => 'late', () => true, () => Promise.reject(new Error('late'))]) {
      const asked = deferred();
      const answer = deferred();
      const answered = deferred();
      const session = await begin({
        async [name]() {
          asked.resolve();
          await answer.promise;
          answered.resolve();
          return late();
        },
      });
      const failed = failure(() => request(session));
      await within(asked.promise, name);
      await session.close();
      answer.resolve();
      await answered.promise;
      assert.equal((await failed).code, 'cancelled');
    }
  });
}

test('a host may use its session, and close it, while it is asked', LIMIT, async () => {
  let session: AuthSession | undefined;
  let state: unknown;
  session = await signedIn({
    async confirmStepUp() {
      state = await session?.connectionState();
      await answers(session as AuthSession, fixture.mcpUrl);
      await session?.close();
      return true;
    },
  });
  const error = await within(
    failure(() => writeNote(session as AuthSession)),
    'the request',
  );
  assert.equal(error.code, 'cancelled');
  assert.equal((state as { authorized: boolean }).authorized, true);
  assert.equal((await failure(() => session?.connectionState())).code, 'cancelled');
});

test('a host is called in the asynchronous context that its session was opened in', LIMIT, async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: Record<string, string | undefined> = {};
  const person = new Person();
  const store = new MapStore();
  store.before = () => {
    seen.store = context.getStore();
  };
  const given = {
    store,
    fetch: (input: string | URL | Request, init?: RequestInit) => {
      seen[input === fixture.mcpUrl ? 'sender' : 'fetch'] = context.getStore();
      return fetch(input, init);
    },
  };
  await using session = await context.run('opening', () =>
    open(
      {
        redirectUri() {
          seen.redirectUri = context.getStore();
          return person.redirectUri;
        },
        async confirmStepUp() {
          seen.confirmStepUp = context.getStore();
          return true;
        },
        async authorize(request: AuthorizationRequest) {
          await null;
          seen.authorize = context.getStore();
          return person.authorize(request);
        },
      },
      given,
    ),
  );
  const heard = deferred();
  session.addEventListener('authorized', () => {
    seen.listener = context.getStore();
    heard.resolve();
  });
  await context.run('calling', () => answers(session, fixture.mcpUrl, 'write_note'));
  await within(heard.promise, 'the event');
  // The request itself runs in the caller's context.
  const { sender, ...others } = seen;
  assert.equal(sender, 'calling');
  const names = ['authorize', 'confirmStepUp', 'fetch', 'listener', 'redirectUri', 'store'];
  assert.deepEqual(others, Object.fromEntries(names.map((name) => [name, 'opening'])));
});
