import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';

import { AuthSession, type AuthSessionOptions, MemoryStore, type TokenStore } from 'mcp-reauth';

import { answers, call, deferred, each, failure, within } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person } from './support/person.mjs';
import { LeasingStore, MapStore } from './support/stores.mjs';

const LIMIT = { timeout: 60_000 };

const fixture = await Fixture.start();
after(() => fixture[Symbol.asyncDispose]());
afterEach(() => fixture.control('PUT', '/faults', {}));

/** A signed-in session whose user must not be asked again. */
async function open(store: object, more: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
  const host = { ...new Person(), confirmStepUp: unwanted, authorize: unwanted };
  const given = { serverUrl: fixture.mcpUrl, store: store as TokenStore, host, ...more };
  await using first = await AuthSession.open({ ...given, host: new Person() });
  await answers(first, fixture.mcpUrl);
  return AuthSession.open(given);
}

function unwanted(): never {
  throw new Error('nobody is to be asked');
}

const hold = (token_hold: boolean) => fixture.control('PATCH', '/faults', { token_hold });

/** Waits until a renewal begins. */
async function renewing(): Promise<void> {
  while ((await fixture.counters()).token_requests === 0) await new Promise((resolve) => setImmediate(resolve));
}

for (const [kind, make] of Object.entries({
  'a store without leases': () => new MapStore(),
  'a store with leases': () => new LeasingStore(),
  'a MemoryStore': () => new MemoryStore(),
})) {
  test(`two sessions on ${kind} renew once for 20 requests of each that are rejected at once`, LIMIT, async () => {
    const store = make();
    await using one = await open(store);
    await using other = await open(store);
    await fixture.expire();
    await fixture.resetCounters();
    const sessions = Array.from({ length: 40 }, (_, number) => (number % 2 ? one : other));
    await Promise.all(sessions.map((session) => answers(session, fixture.mcpUrl)));
    const { token_refresh, reuse_detected } = await fixture.counters();
    assert.deepEqual({ token_refresh, reuse_detected }, { token_refresh: 1, reuse_detected: 0 });
    if (store instanceof LeasingStore) assert.ok(store.leases.granted >= 1);
  });

  test(`on ${kind}, a session that is closed while it renews loses nothing, and holds up nobody`, LIMIT, async () => {
    const store = make();
    const one = await open(store);
    await using other = await open(store);
    await fixture.expire();
    await fixture.resetCounters();
    await hold(true);
    const failed = failure(() => call(one, fixture.mcpUrl, 'echo'));
    await renewing();
    const closing = one.close();
    assert.equal((await failed).code, 'cancelled');
    await hold(false);
    await closing;
    await answers(other, fixture.mcpUrl);
    const { token_refresh, reuse_detected } = await fixture.counters();
    assert.deepEqual({ token_refresh, reuse_detected }, { token_refresh: 1, reuse_detected: 0 });
  });

  test(
    `on ${kind}, a renewal that outlasts the closing of its session loses nothing, and holds up nobody`,
    LIMIT,
    async () => {
      const store = make();
      const one = await open(store);
      await using other = await open(store);
      await fixture.expire();
      await fixture.resetCounters();
      await hold(true);
      const failed = failure(() => call(one, fixture.mcpUrl, 'echo'));
      await renewing();
      // Closing waits for the tokens for at most 25 seconds.
      await within(one.close(), 'closing', 30_000);
      assert.equal((await failed).code, 'cancelled');
      await hold(false);
      await answers(other, fixture.mcpUrl);
      const { token_refresh, reuse_detected } = await fixture.counters();
      assert.deepEqual({ token_refresh, reuse_detected }, { token_refresh: 1, reuse_detected: 0 });
    },
  );
}

/** Resolves when all leases of `store` are released. */
async function released(store: LeasingStore): Promise<void> {
  if (store.leases.granted > 0 && store.leases.released === store.leases.granted) return;
  const back = deferred();
  store.onRelease = () => {
    if (store.leases.released === store.leases.granted) back.resolve();
  };
  await within(back.promise, 'the lease to be released', 5_000);
}

test('a lease is taken for a renewal, for some seconds, and given back', LIMIT, async () => {
  const store = new LeasingStore();
  await using session = await open(store);
  const before = { ...store.leases };
  await fixture.expire();
  await answers(session, fixture.mcpUrl);
  await released(store);
  assert.equal(store.leases.granted, before.granted + 1);
  assert.deepEqual(new Set(store.ttls), new Set([10_000]));
});

test('a lease is renewed for as long as the renewal takes, and no other session gets it', LIMIT, async () => {
  const store = new LeasingStore();
  await using session = await open(store);
  await using other = await open(store);
  await fixture.expire();
  await fixture.resetCounters();
  await hold(true);
  const held = call(session, fixture.mcpUrl, 'echo');
  await renewing();
  const waiting = call(other, fixture.mcpUrl, 'echo');
  const before = store.leases.renewed;
  // Longer than the lease lasts without renewal.
  const renewed = async () => {
    while (store.leases.renewed < before + 4) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  await within(renewed(), 'four renewals', 30_000);
  await hold(false);
  assert.equal((await held).status, 200);
  assert.equal((await waiting).status, 200);
  const { token_refresh, reuse_detected } = await fixture.counters();
  assert.deepEqual({ token_refresh, reuse_detected }, { token_refresh: 1, reuse_detected: 0 });
});

test('a lease is given back when the renewal fails', LIMIT, async () => {
  const store = new LeasingStore();
  await using session = await open(store);
  await fixture.expire();
  await fixture.control('PATCH', '/faults', { token_error: 'invalid_grant' });
  await failure(() => call(session, fixture.mcpUrl, 'echo'));
  await released(store);
});

test('a lease is given back when nobody waits for the request any more', LIMIT, async () => {
  const store = new LeasingStore();
  await using session = await open(store);
  await fixture.expire();
  const asked = deferred();
  const grant = deferred();
  store.beforeLease = () => {
    asked.resolve();
    return grant.promise;
  };
  const stop = new AbortController();
  const request = call(session, fixture.mcpUrl, 'echo', stop.signal);
  await within(asked.promise, 'the lease to be asked for');
  stop.abort();
  await assert.rejects(within(request, 'the request'), { name: 'AbortError' });
  grant.resolve();
  await released(store);
});

test('a lease that is granted after the session was closed is given back', LIMIT, async () => {
  const store = new LeasingStore();
  const session = await open(store);
  await fixture.expire();
  const asked = deferred();
  const grant = deferred();
  store.beforeLease = () => {
    asked.resolve();
    return grant.promise;
  };
  const failed = failure(() => call(session, fixture.mcpUrl, 'echo'));
  await within(asked.promise, 'the lease to be asked for');
  await within(session.close(), 'closing', 4_000);
  assert.equal((await failed).code, 'cancelled');
  grant.resolve();
  await released(store);
});

test('a lease that somebody else has is asked for again, until they have renewed or gone', LIMIT, async () => {
  const store = new LeasingStore();
  await using session = await open(store);
  await fixture.expire();
  const { asked } = store.leases;
  let refusals = 3;
  store.beforeLease = () => refusals-- <= 0;
  await answers(session, fixture.mcpUrl);
  assert.ok(store.leases.asked >= asked + 4);
});

test('whoever waits for a lease takes over what its holder has stored, and renews nothing', LIMIT, async () => {
  const store = new LeasingStore();
  await using session = await open(store);
  await using holder = await open(store);
  await fixture.expire();
  await fixture.resetCounters();
  let renewed: Promise<void> | undefined;
  let holds = false;
  store.beforeLease = async () => {
    if (holds) return true;
    if (!renewed) {
      holds = true;
      renewed = answers(holder, fixture.mcpUrl);
      await renewed;
    }
    return false;
  };
  await answers(session, fixture.mcpUrl);
  assert.equal((await fixture.counters()).token_refresh, 1);
  assert.equal(session.authorization()?.headerValue, holder.authorization()?.headerValue);
});

test('tryLease that returns no lease is a store error that says what is one, and names the place', LIMIT, async () => {
  const values = [true, 1, '', {}, [], { release: () => {} }, () => {}, Symbol('lease'), 7n];
  await each(
    values.map((value) => [`${typeof value} ${String(value)}`, value] as const),
    async (value) => {
      const store = new LeasingStore();
      await using session = await open(store);
      await fixture.expire();
      store.tryLease = async () => value as never;
      const error = await failure(() => call(session, fixture.mcpUrl, 'echo'));
      assert.equal(error.code, 'store');
      assert.match(error.message, /the map of the test.*tryLease must return a string that identifies the lease/);
    },
  );
});

for (const [way, release] of Object.entries<() => unknown>({
  throws: () => {
    throw new Error('it is gone');
  },
  rejects: () => Promise.reject(new Error('it is gone')),
  'never answers': () => new Promise(() => {}),
  'returns a thenable that rejects': () => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what a thenable is.
    then: (_: unknown, reject: (reason: Error) => void) => reject(new Error('it is gone')),
  }),
})) {
  test(`a release that ${way} does no harm`, LIMIT, async () => {
    const store = new LeasingStore();
    await using session = await open(store);
    const called = deferred();
    const releaseLease = store.releaseLease.bind(store);
    store.releaseLease = (key, lease): never => {
      releaseLease(key, lease);
      called.resolve();
      return release() as never;
    };
    for (let times = 0; times < 2; times++) {
      await fixture.expire();
      await answers(session, fixture.mcpUrl);
    }
    await within(called.promise, 'the release');
  });
}

for (const [way, renew] of Object.entries<() => unknown>({
  throws: () => {
    throw new Error('it is gone');
  },
  rejects: () => Promise.reject(new Error('it is gone')),
  'never answers': () => new Promise(() => {}),
  'returns no answer': () => 'yes',
  'says no': () => false,
})) {
  test(`a renewal of a lease that ${way} keeps the answer that is under way`, LIMIT, async () => {
    const store = new LeasingStore();
    await using session = await open(store);
    const asked = deferred();
    store.renewLease = (): never => {
      asked.resolve();
      return renew() as never;
    };
    await fixture.expire();
    await fixture.resetCounters();
    await hold(true);
    const held = answers(session, fixture.mcpUrl);
    await renewing();
    await within(asked.promise, 'the renewal of the lease', 10_000);
    await hold(false);
    await held;
    assert.equal((await fixture.counters()).token_refresh, 1);
  });
}
