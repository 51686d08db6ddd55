/** `checkStore` through the bridge: correct stores pass, and the defects of others are reported. */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { FileStore, MemoryStore, ReauthError, type TokenStore } from 'mcp-reauth';
import { checkStore } from 'mcp-reauth/testing';

import { LeasingStore, MapStore } from './support/stores.mjs';

const LIMIT = { timeout: 120_000 };

type AnyStore = Parameters<typeof checkStore>[0];

async function failures(store: AnyStore, other?: AnyStore): Promise<string[]> {
  const checks = await checkStore(store, other);
  assert.equal(checks.length, 13);
  assert.equal(new Set(checks.map(({ name }) => name)).size, 13);
  return checks.flatMap(({ name, failure }) => (failure === null ? [] : [`${name}: ${failure}`]));
}

test('a MemoryStore keeps to the contract', LIMIT, async () => {
  assert.deepEqual(await failures(new MemoryStore()), []);
});

test('two FileStores at one file keep to the contract', LIMIT, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-reauth-'));
  const path = join(folder, 'credentials.json');
  assert.deepEqual(await failures(new FileStore(path), new FileStore(path)), []);
  await rm(folder, { recursive: true });
});

test('a store in JavaScript with leases keeps to the contract', LIMIT, async () => {
  const store = new LeasingStore();
  assert.deepEqual(await failures(store), []);
  assert.equal(store.records.size, 0, 'nothing is left');
});

test('a store in JavaScript without leases of its own keeps to the contract', LIMIT, async () => {
  assert.deepEqual(await failures(new MapStore()), []);
});

const DEFECTS: Record<string, [(store: LeasingStore) => Partial<TokenStore>, RegExp]> = {
  'overwrites anything': [
    (store) => ({ save: async (key, data) => store.save(key, data, (await store.load(key))?.version) }),
    /save over another version is made/,
  ],
  'returns versions as texts': [
    (store) => ({ save: async (...given) => String(await store.save(...given)) as never }),
    /store\.save must return the new version, a whole number/,
  ],
  'deletes by halves': [() => ({ delete: () => 'done' as never }), /store\.delete must return true or false/],
  'has one lease for all': [
    (store) => ({ tryLease: (_, ttlMs) => store.tryLease({ profile: '', server: '' }, ttlMs) }),
    /a lease that is free is refused/,
  ],
  throws: [() => ({ load: () => Promise.reject(new Error('the table is locked')) }), /the table is locked/],
};

for (const [defect, [methods, expected]] of Object.entries(DEFECTS)) {
  test(`a store that ${defect} is found out`, LIMIT, async () => {
    const good = new LeasingStore();
    const store: TokenStore = {
      load: (key) => good.load(key),
      save: (...given) => good.save(...given),
      delete: (...given) => good.delete(...given),
      tryLease: (...given) => good.tryLease(...given),
      renewLease: (...given) => good.renewLease(...given),
      releaseLease: (...given) => good.releaseLease(...given),
      ...methods(good),
    };
    const failed = await failures(store);
    assert.ok(
      failed.some((failure) => expected.test(failure)),
      failed.join('\n'),
    );
  });
}

test('what is no store is refused by name', LIMIT, async () => {
  for (const store of [undefined, null, 5, 'store', [], {}, { load: 5 }, { load() {}, save() {} }]) {
    await assert.rejects(
      () => checkStore(store as never),
      (error) => error instanceof ReauthError && error.code === 'config' && /store/.test(error.message),
      String(store),
    );
  }
});

test('it is there for require too, and the same', LIMIT, () => {
  const required = createRequire(import.meta.url)('mcp-reauth/testing');
  assert.equal(required.checkStore, checkStore);
});
