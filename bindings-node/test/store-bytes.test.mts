/** Records cross to and from a JavaScript store as bytes, and every copy that the store does not own is wiped. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { AuthSession, type StoredRecord, type TokenStore } from 'mcp-reauth';

import { answers } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person } from './support/person.mjs';

const LIMIT = { timeout: 60_000 };

const fixture = await Fixture.start();
after(() => fixture[Symbol.asyncDispose]());

/** A store that keeps what it receives, and returns it converted by `as`. */
function keeping(as: (data: Buffer) => string | Uint8Array) {
  let record: StoredRecord | undefined;
  const given: Buffer[] = [];
  const returned: (string | Uint8Array)[] = [];
  const store: TokenStore = {
    load: () => {
      if (record) returned.push(record.data);
      return record;
    },
    save: (_, data, expected) => {
      if (record?.version !== expected) return undefined;
      const version = (record?.version ?? 0) + 1;
      given.push(data);
      record = { version, data: as(data) };
      return version;
    },
    delete: () => {
      record = undefined;
      return true;
    },
  };
  return { store, given, returned };
}

const KINDS: Record<string, (data: Buffer) => string | Uint8Array> = {
  'a Buffer': (data) => data,
  'a Uint8Array': (data) => new Uint8Array(data),
  'a part of a larger array': (data) => new Uint8Array([0, ...data, 0]).subarray(1, data.length + 1),
  'a text': (data) => data.toString(),
};

const open = (store: TokenStore) => AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person(), store });
const tokensIn = (data: string | Uint8Array) => JSON.parse(Buffer.from(data as Buffer).toString()).grant;

for (const [kind, as] of Object.entries(KINDS)) {
  test(`a store may return ${kind}, and what it was given and returned stays as it is`, LIMIT, async () => {
    const { store, given, returned } = keeping(as);
    {
      await using session = await open(store);
      await answers(session, fixture.mcpUrl);
      await fixture.expire();
      await answers(session, fixture.mcpUrl);
    }
    const host = new Person();
    await using session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host, store });
    await answers(session, fixture.mcpUrl);
    assert.equal(host.pages.length, 0);
    assert.ok(given.length >= 2 && returned.length >= 1);
    for (const data of given) {
      assert.ok(Buffer.isBuffer(data));
      // Not in the pool that small buffers share, which other code can read.
      assert.equal(data.buffer.byteLength, data.byteLength);
      assert.equal(`${data}`, data.toString());
      assert.ok(JSON.parse(data.toString()).format);
    }
    for (const data of returned) assert.ok(JSON.parse(Buffer.from(data as Buffer).toString()).format);
    assert.ok(tokensIn(given.at(-1) ?? '').access_token);
  });
}

test('each copy of a record that is our own is wiped, also when the store fails', LIMIT, async () => {
  const { fill } = Buffer.prototype;
  const wiped: string[] = [];
  const strings: string[] = [];
  const { parse, stringify } = JSON;
  Buffer.prototype.fill = function (this: Buffer, ...given: unknown[]) {
    wiped.push(this.toString());
    return fill.apply(this, given as [number]);
  };
  // Strings cannot be wiped, so no record may be in one.
  JSON.parse = (text, reviver) => {
    strings.push(text);
    return parse(text, reviver);
  };
  JSON.stringify = (...given: [unknown]) => {
    const text = stringify(...given);
    strings.push(text);
    return text;
  };
  let record: StoredRecord | undefined;
  let token = '';
  let fails = false;
  const store: TokenStore = {
    load: () => record,
    save: (_, data) => {
      const { grant } = parse(data.toString());
      token = grant?.refresh_token ?? token;
      if (fails) throw new Error('the disk is full');
      record = { version: (record?.version ?? 0) + 1, data };
      return record.version;
    },
    delete: () => false,
  };
  const holding = () => wiped.splice(0).filter((text) => token !== '' && text.includes(token)).length;
  try {
    await using session = await open(store);
    assert.deepEqual(await session.signIn(), { kind: 'satisfied' });
    assert.ok(token);
    assert.ok(holding() >= 1, 'what was saved');
    await session.connectionState();
    assert.ok(holding() >= 1, 'what was loaded');
    fails = true;
    await fixture.expire();
    await session.signIn({ again: true }).catch(() => {});
    assert.ok(holding() >= 1, 'what could not be saved');
    assert.ok(strings.length > 0);
    assert.deepEqual(
      strings.filter((text) => text?.includes('"refresh_token"') && text.includes('"format"')),
      [],
    );
  } finally {
    Buffer.prototype.fill = fill;
    Object.assign(JSON, { parse, stringify });
  }
  assert.ok(tokensIn(record?.data ?? '').refresh_token, "what the store has is the store's");
});
