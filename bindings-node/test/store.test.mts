import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';

import { AuthSession, type AuthSessionOptions, MemoryStore, type TokenStore } from 'mcp-reauth';

import { answers, call, failure } from './support/adversary.mjs';
import { SDKS, succeeds } from './support/clients.mjs';
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

for (const sdk of SDKS) {
  test(`a store in JavaScript keeps a session over restarts, renewals and step-ups (${sdk.name})`, LIMIT, async () => {
    const store = new MapStore();
    const first = new Person();
    {
      await using session = await open(store, { host: first });
      const client = await sdk.connect(fixture.mcpUrl, session.fetch);
      await succeeds(client, 'echo');
      await client.close();
    }
    assert.equal(first.pages.length, 1);
    const second = new Person();
    await using session = await open(store, { host: second });
    const client = await sdk.connect(fixture.mcpUrl, session.fetch);
    await succeeds(client, 'echo');
    await fixture.expire();
    await succeeds(client, 'echo');
    assert.equal(second.pages.length, 0);
    await succeeds(client, 'write_note');
    await succeeds(client, 'transfer');
    assert.ok(second.questions.length >= 1);
    const authorization = session.authorization()?.headerValue;
    assert.equal(authorization, `Bearer ${store.record.data.grant?.access_token}`);
    await client.close();
    // The last grant is there after another restart.
    const third = new Person();
    await using again = await open(store, { host: third });
    assert.equal(again.authorization()?.headerValue, authorization);
    await answers(again, fixture.mcpUrl, 'write_note');
    assert.equal(third.pages.length, 0);
    await again.signOut();
    assert.equal((await again.connectionState()).signedIn, false);
  });
}

test('profiles and servers have records of their own in one store', LIMIT, async () => {
  const store = new MapStore();
  await using one = await open(store, { profile: 'one' });
  await using other = await open(store, { profile: 'other' });
  await answers(one, fixture.mcpUrl);
  assert.equal(store.records.size, 1);
  assert.equal((await other.connectionState()).signedIn, false);
  await answers(other, fixture.mcpUrl);
  assert.equal(store.records.size, 2);
  const names = [...store.records.keys()].map((name) => JSON.parse(name));
  assert.deepEqual(names, [
    ['one', fixture.mcpUrl],
    ['other', fixture.mcpUrl],
  ]);
  await one.signOut();
  assert.equal((await other.connectionState()).signedIn, true);
});

test('a write that somebody else was faster than is done again on what they wrote', LIMIT, async () => {
  const store = new MapStore();
  let conflicts = 0;
  const save = store.save.bind(store);
  store.save = async (key, data, expected) => {
    if (conflicts < 5) {
      conflicts++;
      return undefined;
    }
    return save(key, data, expected);
  };
  await using session = await open(store);
  await answers(session, fixture.mcpUrl);
  assert.equal(conflicts, 5);
  assert.equal(`Bearer ${store.record.data.grant?.access_token}`, session.authorization()?.headerValue);
});

test('a renewal never overwrites the newer tokens of somebody else', LIMIT, async () => {
  const store = new MapStore();
  await using slow = await open(store);
  await answers(slow, fixture.mcpUrl);
  await using fast = await open(store);
  await fixture.expire();
  let newer: string | undefined;
  store.before = async (method) => {
    if (method !== 'save' || newer !== undefined) return;
    newer = '';
    // The user signs in in another session while the renewed tokens are being saved.
    assert.deepEqual(await fast.signIn({ again: true }), { kind: 'satisfied' });
    newer = fast.authorization()?.headerValue;
  };
  await answers(slow, fixture.mcpUrl);
  assert.ok(newer);
  assert.equal(`Bearer ${store.record.data.grant?.access_token}`, newer);
  assert.equal(slow.authorization()?.headerValue, newer);
});

test('signing out never deletes the newer tokens that it has not seen', LIMIT, async () => {
  const store = new MapStore();
  await using session = await open(store);
  await answers(session, fixture.mcpUrl);
  const changes: (number | undefined)[] = [];
  const save = store.save.bind(store);
  store.save = (key, data, expected) => {
    changes.push(expected);
    return save(key, data, expected);
  };
  const remove = store.delete.bind(store);
  store.delete = (key, expected) => {
    changes.push(expected);
    return remove(key, expected);
  };
  const { version } = store.record;
  await session.signOut();
  assert.deepEqual(changes, [version]);
  assert.equal((await session.connectionState()).signedIn, false);
});

test('tokens that could not be stored are used all the same, and stored with the next write', LIMIT, async () => {
  const store = new MapStore();
  await using session = await open(store);
  await answers(session, fixture.mcpUrl);
  await fixture.expire();
  store.before = (method) => {
    if (method === 'save') throw new Error('the disk is full');
  };
  await failure(() => echo(session)).catch(() => {});
  store.before = () => undefined;
  await answers(session, fixture.mcpUrl);
  await fixture.expire();
  await answers(session, fixture.mcpUrl);
  await using again = await open(store);
  const { reuse_detected } = await fixture.counters();
  assert.equal(reuse_detected, 0);
  await answers(again, fixture.mcpUrl);
});

test('a store that is asked by a session may use that session', LIMIT, async () => {
  const store = new MapStore();
  await using session = await open(store);
  let asked = 0;
  store.before = async (method) => {
    if (method === 'save' && asked++ === 0) assert.equal((await session.connectionState()).signedIn, false);
  };
  await answers(session, fixture.mcpUrl);
  assert.ok(asked > 0);
});

test('a store keeps its this, and may answer at once', LIMIT, async () => {
  class Sync {
    readonly #records = new Map<string, { version: number; data: string }>();
    readonly place = 'its own fields';
    load({ server }: { server: string }) {
      return this.#records.get(server) ?? null;
    }
    save({ server }: { server: string }, data: string, expected: number | undefined) {
      if (this.#records.get(server)?.version !== expected) return null;
      const version = (expected ?? 0) + 1;
      this.#records.set(server, { version, data });
      return version;
    }
    delete({ server }: { server: string }, expected: number) {
      return this.#records.get(server)?.version === expected && this.#records.delete(server);
    }
    get size() {
      return this.#records.size;
    }
  }
  const store = new Sync();
  await using session = await open(store);
  await answers(session, fixture.mcpUrl);
  await fixture.expire();
  await answers(session, fixture.mcpUrl);
  assert.equal(store.size, 1);
});

test('sessions that are given one MemoryStore share what is in it', LIMIT, async () => {
  const store = new MemoryStore();
  await using one = await open(store);
  await answers(one, fixture.mcpUrl);
  const person = new Person();
  await using other = await open(store, { host: person });
  await answers(other, fixture.mcpUrl);
  assert.equal(person.pages.length, 0);
  await fixture.resetCounters();
  await fixture.expire();
  await Promise.all([one, other].map((session) => answers(session, fixture.mcpUrl)));
  assert.equal((await fixture.counters()).token_refresh, 1);
  await one.signOut();
  assert.equal((await other.connectionState()).signedIn, false);
  await using third = await open(new MemoryStore());
  assert.equal((await third.connectionState()).signedIn, false);
});
