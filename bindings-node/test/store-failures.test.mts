import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';

import { AuthSession, type AuthSessionOptions, type TokenStore } from 'mcp-reauth';

import { answers, call, deferred, each, failure, SECRET, same, THROWN, within } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person } from './support/person.mjs';
import { MapStore } from './support/stores.mjs';

const LIMIT = { timeout: 60_000 };

const fixture = await Fixture.start();
after(() => fixture[Symbol.asyncDispose]());
afterEach(() => fixture.control('PUT', '/faults', {}));

function open(store: object, more: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
  return AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person(), store: store as TokenStore, ...more });
}

const echo = (session: AuthSession, signal?: AbortSignal) => call(session, fixture.mcpUrl, 'echo', signal);

/** A store that works, except for the given methods. */
function failing(
  methods: Partial<Record<'load' | 'save' | 'delete' | 'tryLease', (...given: never[]) => unknown>>,
): TokenStore {
  const good = new MapStore();
  return {
    place: 'the broken store',
    load: (key) => good.load(key),
    save: (key, data, expected) => good.save(key, data, expected),
    delete: (key, expected) => good.delete(key, expected),
    ...(methods as Partial<TokenStore>),
  };
}

const WAYS: Record<string, (thrown: unknown) => () => unknown> = {
  throws: (thrown) => () => {
    throw thrown;
  },
  rejects: (thrown) => () => Promise.reject(thrown),
};

for (const [way, make] of Object.entries(WAYS)) {
  for (const method of ['load', 'save', 'delete', 'tryLease'] as const) {
    test(`${method} that ${way} is a store error that names the place, with its cause, whatever it is`, LIMIT, () =>
      each(
        THROWN.map(({ name, ...thrown }) => [name, thrown] as const),
        async ({ make: makeThrown, words }) => {
          const thrown = makeThrown();
          let broken = false;
          const good = new MapStore();
          const fail = make(thrown);
          const store = failing({
            load: (key: never) => (broken && method === 'load' ? fail() : good.load(key)),
            save: (key: never, data: never, expected: never) =>
              broken && method === 'save' ? fail() : good.save(key, data, expected),
            ...(method === 'delete' && { delete: fail }),
            ...(method === 'tryLease' && { tryLease: fail, renewLease: () => true, releaseLease: () => {} }),
          });
          await using session = await open(store);
          broken = method === 'load';
          if (method === 'tryLease' || method === 'delete') await answers(session, fixture.mcpUrl);
          if (method === 'tryLease') await fixture.expire();
          broken = method === 'load' || method === 'save';
          const works = { load: () => session.connectionState(), delete: () => session.signOut() };
          const work = () => (method in works ? works[method as keyof typeof works]() : echo(session));
          const error = await within(failure(work), 'the request', 4_000);
          assert.equal(error.code, 'store', error.message);
          same(error.cause, thrown);
          assert.match(error.message, words ?? /./);
          assert.match(error.message, /the broken store/);
          assert.doesNotMatch(error.message, /line \d+, column|napi|rust|panic/i);
        },
      ),
    );
  }
}

test('a store that fails while a session is opened keeps it from being opened', LIMIT, async () => {
  const thrown = new Error('the keychain is locked');
  const error = await failure(() => open(failing({ load: () => Promise.reject(thrown) })));
  assert.equal(error.code, 'store');
  same(error.cause, thrown);
  assert.match(error.message, /the broken store.*the keychain is locked/);
  const nameless = await failure(() => open({ load: () => Promise.reject(thrown), save: () => 1, delete: () => true }));
  assert.match(nameless.message, /the keychain is locked/);
  assert.doesNotMatch(nameless.message, /undefined/);
});

test('two hundred operations that fail at once have each its own cause', LIMIT, async () => {
  const thrown: Error[] = [];
  let broken = false;
  const load = () => {
    if (!broken) return undefined;
    thrown.push(new Error(`failure ${thrown.length}`));
    throw thrown.at(-1);
  };
  await using session = await open(failing({ load }));
  broken = true;
  const failed = await Promise.all(Array.from({ length: 200 }, () => failure(() => session.connectionState())));
  assert.equal(thrown.length, 200);
  assert.equal(new Set(failed.map(({ cause }) => cause)).size, 200);
  for (const { message, cause } of failed) assert.ok(cause instanceof Error && message.includes(cause.message));
});

test('a store that throws an AbortError is a store error all the same', LIMIT, async () => {
  const error = await failure(() => open(failing({ load: () => Promise.reject(AbortSignal.abort().reason) })));
  assert.equal(error.code, 'store');
});

const NO_RECORDS: Record<string, unknown> = {
  'a text': SECRET,
  'a number': 5,
  'a flag': false,
  'a list': [1, SECRET],
  'an empty object': {},
  'no version': { data: '{}' },
  'no data': { version: 1 },
  'a version that is a text': { version: '1', data: SECRET },
  'a version with a fraction': { version: 1.5, data: SECRET },
  'a version that is no number': { version: Number.NaN, data: SECRET },
  'a version that is infinite': { version: Number.POSITIVE_INFINITY, data: SECRET },
  'a version that is too large': { version: 2 ** 53, data: SECRET },
  'a version that is negative': { version: -1, data: SECRET },
  'a version that is a bigint': { version: 1n, data: SECRET },
  'data that are an object': { version: 1, data: { [SECRET]: SECRET } },
  'data that are a buffer in JSON': { version: 1, data: Buffer.from(SECRET).toJSON() },
  'data that are other numbers': { version: 1, data: new Uint16Array(5) },
};

test(
  'load that returns no record is a store error that says what is one, names the place and quotes nothing',
  LIMIT,
  () =>
    each(Object.entries(NO_RECORDS), async (record) => {
      const error = await failure(() => open(failing({ load: async () => record })));
      assert.equal(error.code, 'store');
      assert.match(error.message, /the broken store.*load must return a record/);
      assert.ok(!`${error.message}${error.sentence}`.includes(SECRET), error.message);
    }),
);

test('load that returns data of somebody else is a store error that names the place and quotes nothing', LIMIT, () =>
  each(
    Object.entries({
      nothing: '',
      words: SECRET,
      'other JSON': JSON.stringify({ token: SECRET }),
      'a newer format': JSON.stringify({ format: 99, grant: SECRET }),
      'a damaged record': JSON.stringify({ format: 1, grant: { access_token: SECRET } }),
      'half a record': `{"format":1,"clients":{"${SECRET}`,
      'half a character': `\ud800${SECRET}`,
      'no bytes': new Uint8Array(),
      'bytes of words': Buffer.from(SECRET),
      'bytes that are not UTF-8': Buffer.from(`\xff${SECRET}`, 'latin1'),
    }),
    async (data) => {
      const error = await failure(() => open(failing({ load: () => ({ version: 1, data }) })));
      assert.equal(error.code, 'store');
      assert.match(error.message, /the broken store/);
      assert.ok(!`${error.message}${error.sentence}`.includes(SECRET), error.message);
    },
  ),
);

test('versions may be any whole numbers from 0 to the largest safe one', LIMIT, async () => {
  for (const first of [0, 1, Number.MAX_SAFE_INTEGER - 20]) {
    const versions = [first];
    let record: { version: number; data: Buffer } | undefined;
    const store = failing({
      load: () => record,
      save: (_: never, data: Buffer, expected: number | undefined) => {
        assert.equal(expected, record?.version);
        const version = record ? record.version + 1 : first;
        versions.push(version);
        record = { version, data };
        return version;
      },
    });
    await using session = await open(store);
    await answers(session, fixture.mcpUrl);
    assert.ok(versions.length > 2);
  }
});

const NO_VERSIONS = ['1', 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -1, 1n, true, {}, [1], { version: 1 }];

test('save that returns no version is a store error that says so, and names the place', LIMIT, () =>
  each(
    NO_VERSIONS.map((version) => [`${typeof version} ${version}`, version] as const),
    async (version) => {
      await using session = await open(failing({ save: async () => version }));
      const error = await failure(() => echo(session));
      assert.equal(error.code, 'store');
      assert.match(error.message, /the broken store.*save must return the new version/);
    },
  ),
);

test(
  'a store that keeps answering that somebody else has written is a store error that names the place',
  LIMIT,
  async () => {
    let saves = 0;
    await using session = await open(
      failing({
        save: async () => {
          saves++;
          return undefined;
        },
      }),
    );
    const error = await failure(() => echo(session));
    assert.equal(error.code, 'store');
    assert.ok(saves > 1 && saves < 1_000, `${saves}`);
    assert.match(error.message, /the broken store/);
  },
);

for (const method of ['load', 'save'] as const) {
  test(`an abort, and closing, end the waiting for ${method} that never answers`, LIMIT, async () => {
    const store = new MapStore();
    const session = await open(store);
    await answers(session, fixture.mcpUrl);
    await fixture.expire();
    const hangs = deferred();
    store.before = (called) => {
      if (called !== method) return undefined;
      hangs.resolve();
      return new Promise(() => {});
    };
    const stop = new AbortController();
    const stopped = echo(session, stop.signal);
    await within(hangs.promise, method);
    const waits = failure(() => echo(session));
    stop.abort();
    await assert.rejects(within(stopped, 'the request that is aborted', 4_000), { name: 'AbortError' });
    // Closing waits for a pending token, for at most 25 seconds.
    await within(Promise.all([session.close(), waits]), 'closing', 30_000);
    assert.equal((await waits).code, 'cancelled');
  });
}

test('closing ends the waiting of every method for a store that never answers', LIMIT, async () => {
  const store = new MapStore();
  const session = await open(store);
  store.before = () => new Promise(() => {});
  const waiting = [
    failure(() => session.connectionState()),
    failure(() => session.authState()),
    failure(() => session.signOut()),
    failure(() => session.completeAuthorization('state=x')),
    failure(() => session.checkAuthChallengeSatisfied({ reason: 'token_expired', requiredScopes: [] })),
    failure(() => session.signIn({ again: true })),
  ];
  await within(session.close(), 'closing', 4_000);
  for (const { code } of await within(Promise.all(waiting), 'the methods')) assert.equal(code, 'cancelled');
});
