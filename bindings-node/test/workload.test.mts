import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { AuthSession, type HostContext } from 'mcp-reauth';

import { answers, call, deferred, each, failure, SECRET, same, THROWN, within } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';

const LIMIT = { timeout: 60_000 };

const clientId = 'nightly-workload';
const fixture = await Fixture.start({
  workload: { issuer: 'https://workloads.example', subject: 'nightly-build', client_id: clientId },
});
after(() => fixture[Symbol.asyncDispose]());

const open = (assertion: unknown) =>
  AuthSession.open({
    serverUrl: fixture.mcpUrl,
    credentials: { kind: 'workload', client: { id: clientId, atAnyIssuer: true }, assertion: assertion as never },
  });
const echo = (session: AuthSession, signal?: AbortSignal) => call(session, fixture.mcpUrl, 'echo', signal);

test('a workload identity is asked for its assertion by the issuer, and gets a token by it', LIMIT, async () => {
  const audiences: string[] = [];
  await using session = await open(async (audience: string, { signal }: HostContext) => {
    assert.equal(signal.aborted, false);
    audiences.push(audience);
    return (await fixture.control<{ assertion: string }>('POST', '/workload/assertion', {})).assertion;
  });
  await answers(session, fixture.mcpUrl);
  assert.deepEqual(audiences, [fixture.issuer]);
});

test('a workload identity that fails is a host error with what it threw as the cause', LIMIT, () =>
  each(
    THROWN.map(({ name, ...thrown }) => [name, thrown] as const),
    async ({ make, words }) => {
      const thrown = make();
      await using session = await open(() => {
        throw thrown;
      });
      const error = await within(
        failure(() => echo(session)),
        'the request',
        4_000,
      );
      assert.equal(error.code, 'host');
      same(error.cause, thrown);
      assert.match(error.message, words ?? /./);
    },
  ),
);

test('a workload identity that is an object with a method keeps its this', LIMIT, async () => {
  class Platform {
    readonly kind = 'workload' as const;
    readonly client = { id: clientId, atAnyIssuer: true };
    readonly #audiences: string[] = [];
    get audiences() {
      return this.#audiences;
    }
    assertion(audience: string): string {
      this.#audiences.push(audience);
      return 'no assertion';
    }
  }
  const credentials = new Platform();
  await using session = await AuthSession.open({ serverUrl: fixture.mcpUrl, credentials });
  await failure(() => echo(session));
  assert.equal(credentials.audiences.length > 0, true);
});

test('a workload identity that gives no text is a host error that says so, and quotes nothing', LIMIT, async () => {
  for (const value of [undefined, null, 5, {}, [SECRET], Buffer.from(SECRET), { assertion: SECRET }]) {
    await using session = await open(() => value);
    const error = await failure(() => echo(session));
    assert.equal(error.code, 'host');
    assert.match(error.message, /credentials\.assertion must return a string/);
    assert.ok(!error.message.includes(SECRET));
  }
});

test('an assertion that is refused is quoted nowhere', LIMIT, async () => {
  for (const assertion of ['', SECRET, `${SECRET}.${SECRET}.${SECRET}`, `half \ud800 ${SECRET}`]) {
    await using session = await open(() => assertion);
    const { code, message, sentence } = await failure(() => echo(session));
    assert.ok(!`${message}${sentence}`.includes(SECRET), `${code}: ${message}`);
  }
});

test('an abort, and closing, end the waiting for a workload identity', LIMIT, async () => {
  const asked = deferred<HostContext>();
  await using session = await open((_: string, context: HostContext) => {
    asked.resolve(context);
    return new Promise(() => {});
  });
  const stop = new AbortController();
  const first = echo(session, stop.signal);
  await within(asked.promise, 'the assertion');
  const second = failure(() => echo(session));
  stop.abort();
  await assert.rejects(within(first, 'the first request'), { name: 'AbortError' });
  // Closing waits for a pending token, for at most 25 seconds.
  await within(Promise.all([session.close(), second]), 'closing', 30_000);
  assert.equal((await second).code, 'cancelled');
});
