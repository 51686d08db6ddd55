import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';

import { AuthSession, type AuthSessionOptions, FileStore, MemoryStore } from 'mcp-reauth';

import { refusal, SECRET } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person, visit } from './support/person.mjs';
import { MapStore } from './support/stores.mjs';

const LIMIT = { timeout: 20_000 };

const serverUrl = 'http://127.0.0.1:9/mcp';
const provider = { issuer: 'https://idp.example', clientId: 'at-idp' };

/** Values that are neither a string nor a function. */
const NEITHER: Record<string, unknown> = {
  null: null,
  'a flag': true,
  'a number': 5,
  'a list': [SECRET],
  'an object': {},
};

const ADDRESSES: [address: string, code: string][] = [
  ['', 'config'],
  ['mcp', 'config'],
  ['/mcp', 'config'],
  ['//a.example/mcp', 'config'],
  ['https://', 'config'],
  ['https://a.example:port/', 'config'],
  ['https://a.example/#fragment', 'config'],
  ['https://a.example/#', 'config'],
  [`https://user:${SECRET}@a.example/`, 'config'],
  [`https://${SECRET}@a.example/`, 'config'],
  [`http://user:${SECRET}@127.0.0.1/`, 'config'],
  ['ftp://a.example/mcp', 'insecure_endpoint'],
  ['ftp://127.0.0.1/mcp', 'insecure_endpoint'],
  ['http://a.example/mcp', 'insecure_endpoint'],
  ['http://localhost.a.example/mcp', 'insecure_endpoint'],
  ['http://10.0.0.1/mcp', 'insecure_endpoint'],
  ['ws://127.0.0.1/mcp', 'insecure_endpoint'],
  ['javascript:alert(1)', 'insecure_endpoint'],
  ['data:text/plain,hello', 'insecure_endpoint'],
];

for (const [address, code] of ADDRESSES) {
  test(
    `the server address ${JSON.stringify(address.replace(SECRET, '...'))} is refused as ${code}`,
    LIMIT,
    async () => {
      const forms = URL.canParse(address) ? [address, new URL(address)] : [address];
      for (const serverUrl of forms) {
        const error = await refusal({ serverUrl });
        assert.equal(error.code, code);
        if (code === 'config') assert.match(error.message, /server address|serverUrl/);
        assert.ok(!`${error.message}${error.sentence}`.includes(SECRET), error.message);
      }
    },
  );
}

test('a password in an address is told in no message, whatever else is wrong with the address', LIMIT, async () => {
  for (const address of [
    `http://user:${SECRET}@a.example/mcp`,
    `ftp://user:${SECRET}@a.example/mcp`,
    `https://user:${SECRET}@/mcp`,
    `https://user:${SECRET}@a example/mcp`,
    `//user:${SECRET}@a.example/mcp`,
  ]) {
    for (const options of [
      { serverUrl: address },
      { serverUrl, clientMetadataUrl: address },
      { serverUrl, credentials: { kind: 'enterprise', identityProvider: { ...provider, issuer: address } } },
    ]) {
      const { code, message, sentence } = await refusal(options, address.replace(SECRET, '...'));
      assert.ok(!`${message}${sentence}`.includes(SECRET), `${code}: ${message}`);
    }
  }
});

test('the address of the server may be a URL, and is kept as it is', LIMIT, async () => {
  for (const address of [
    'https://a.example/mcp?x=1',
    new URL('https://a.example/mcp?x=1'),
    'https://A.example:443/mcp',
  ]) {
    await using session = await AuthSession.open({ serverUrl: address });
    assert.equal(session.serverUrl, String(address));
    assert.equal((await session.connectionState()).server, String(address));
  }
});

test('an address of client metadata that cannot be used is refused, and named', LIMIT, async () => {
  for (const address of ['', 'metadata', 'http://a.example/client', 'https://a.example', 'ftp://a.example/client']) {
    const error = await refusal({ serverUrl, clientMetadataUrl: address }, address);
    assert.equal(error.code, 'config', address);
    assert.match(error.message, /client ?metadata ?URL/i);
  }
});

test('a redirectUri that is no address is refused by its name, when the session is opened', LIMIT, async () => {
  for (const redirectUri of ['', 'callback', '/callback', 'not an address', 'http://127.0.0.1:9/callback#fragment']) {
    for (const options of [
      { redirectUri, host: new Person() },
      { host: Object.assign(new Person(), { redirectUri }) },
    ]) {
      const error = await refusal({ serverUrl, ...options }, redirectUri);
      assert.equal(error.code, 'config', redirectUri);
      assert.match(error.message, /redirectUri/);
    }
  }
});

const good = { confirmStepUp: () => true, authorize: () => undefined, redirectUri: 'http://127.0.0.1:9/callback' };

test('a host that lacks what a host does is refused by the name of what it lacks', LIMIT, async () => {
  for (const name of ['confirmStepUp', 'authorize', 'redirectUri'] as const) {
    for (const [kind, value] of Object.entries({ ...NEITHER, undefined: undefined })) {
      const error = await refusal({ serverUrl, host: { ...good, [name]: value } }, `${name}: ${kind}`);
      assert.equal(error.code, 'config', kind);
      assert.match(error.message, new RegExp(`${name}\\b.* host|host\\.${name}`), kind);
      assert.ok(!error.message.includes(SECRET), kind);
    }
  }
  await using _session = await AuthSession.open({
    serverUrl,
    redirectUri: new URL(good.redirectUri),
    host: { ...good, redirectUri: undefined } as never,
  });
});

test('a store that lacks what a store does is refused by the name of what it lacks', LIMIT, async () => {
  const records = { load: () => undefined, save: () => 1, delete: () => true };
  const leases = { tryLease: () => undefined, renewLease: () => true, releaseLease: () => {} };
  const store = { ...records, ...leases, place: 'here' };
  for (const name of ['load', 'save', 'delete', 'tryLease', 'renewLease', 'releaseLease', 'place'] as const) {
    const required = name in records;
    for (const [kind, value] of Object.entries({ ...NEITHER, ...(required && { undefined: undefined }) })) {
      const error = await refusal({ serverUrl, store: { ...store, [name]: value } }, `${name}: ${kind}`);
      assert.equal(error.code, 'config', kind);
      assert.ok(error.message.includes(`store.${name}`), `${kind}: ${error.message}`);
      assert.ok(!error.message.includes(SECRET), kind);
    }
  }
  for (const name of Object.keys(leases)) {
    const error = await refusal({ serverUrl, store: { ...store, [name]: undefined } }, name);
    assert.equal(error.code, 'config');
    assert.match(error.message, new RegExp(`store has .*, and lacks ${name}: a store has all three, or none`));
  }
  for (const copy of [
    { ...new MemoryStore() },
    { ...new FileStore('/nowhere/file') },
    Object.create(new MemoryStore()),
  ]) {
    const error = await refusal({ serverUrl, store: copy });
    assert.equal(error.code, 'config');
    assert.match(error.message, /store\.load/);
  }
});

test('an identity provider that is null, switched off or half given is told apart', LIMIT, async () => {
  const opened = (identityProvider: unknown) =>
    refusal({ serverUrl, credentials: { kind: 'enterprise', identityProvider } });
  assert.equal((await opened(null)).code, 'enterprise_not_configured');
  assert.equal((await opened({ ...provider, enabled: false })).code, 'enterprise_disabled');
  assert.equal((await opened({ ...provider, issuer: 'http://idp.example' })).code, 'insecure_endpoint');
  for (const name of ['issuer', 'clientId']) {
    const error = await opened({ ...provider, [name]: undefined });
    assert.equal(error.code, 'config');
    assert.ok(error.message.includes(`identityProvider.${name} is missing`), error.message);
  }
});

test('a key that cannot be read is refused by the name of its option, and not quoted', LIMIT, async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const lines = pem.split('\n');
  const encrypted = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' });
  const jwk = privateKey.export({ format: 'jwk' });
  const keys = {
    'no key': `${SECRET}${SECRET}`,
    'an empty PEM': '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----',
    'a PEM that is cut off': lines.slice(0, 2).join('\n'),
    'a PEM that is damaged': pem.replace(/\n[^-].{8}/, '\n!!!!!!!!'),
    'an encrypted PEM': encrypted.toString(),
    'a public PEM': publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    'a public JWK': JSON.stringify({ ...jwk, d: undefined }),
    'a JWK that is cut off': JSON.stringify(jwk).slice(0, -1),
    'a JWK of another curve': JSON.stringify({ ...jwk, crv: 'P-521' }),
    'a JWK with a secret that is no text': JSON.stringify({ ...jwk, d: [jwk.d] }),
    'a JWK with a public part that is not its own': JSON.stringify({ ...jwk, x: jwk.y, y: jwk.x }),
  };
  const parts = [SECRET, jwk.d ?? '', ...lines.slice(1, -2), ...encrypted.toString().split('\n').slice(1, -2)];
  for (const [kind, key] of Object.entries(keys)) {
    for (const [name, options] of [
      ['credentials.client.key', { credentials: { client: { id: 'signed', key } } }],
      ['dpopKey', { dpopKey: key }],
      [
        'credentials.identityProvider.clientKey',
        { credentials: { kind: 'enterprise', identityProvider: { ...provider, clientKey: key } } },
      ],
    ] as const) {
      const error = await refusal({ serverUrl, ...options }, `${name}: ${kind}`);
      assert.equal(error.code, 'config', kind);
      assert.ok(error.message.includes(name), `${kind}: ${error.message}`);
      for (const part of parts) assert.ok(!`${error.message}${error.sentence}`.includes(part), kind);
    }
  }
});

test(
  'a number of the policy that is out of range is refused by its name; the limits themselves are good',
  LIMIT,
  async () => {
    const wrong = [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53, '5', 5n];
    for (const [name, most] of [
      ['maxStepUpRetries', 255],
      ['refreshAheadMs', Number.MAX_SAFE_INTEGER],
      ['interactionTimeoutMs', Number.MAX_SAFE_INTEGER],
    ] as const) {
      for (const value of [...wrong, most + 1]) {
        const error = await refusal({ serverUrl, policy: { [name]: value } }, `${name}: ${value}`);
        assert.equal(error.code, 'config');
        assert.ok(error.message.includes(`policy.${name}`), error.message);
      }
      for (const value of [0, -0, most])
        await (await AuthSession.open({ serverUrl, policy: { [name]: value } })).close();
    }
    for (const word of ['Reauthorize', 'throw ', '', 'constructor']) {
      const error = await refusal({ serverUrl, policy: { onInsufficientScope: word } });
      assert.match(error.message, /policy\.onInsufficientScope must be 'reauthorize' or 'throw'/);
    }
    assert.match((await refusal({ serverUrl, dpop: 'never' })).message, /dpop must be 'when_asked' or 'always'/);
  },
);

test('a text that is no Unicode is refused by the name of its option, or taken', LIMIT, async () => {
  const half = 'half \ud800';
  const own = ['clientName', 'profile', 'scopes', 'dpopKey'].map((name) => [name, { [name]: half }] as const);
  const client = ['id', 'secret', 'key', 'issuer'].map(
    (name) => [`credentials.client.${name}`, { credentials: { client: { id: 'a', [name]: half } } }] as const,
  );
  for (const [name, options] of [...own, ...client]) {
    try {
      await using _session = await AuthSession.open({ serverUrl, ...options });
    } catch (error) {
      assert.match(String(error), new RegExp(`ReauthError.*${name}`));
    }
  }
});

test('scopes are taken in every form that a set of scopes has, and each of them is asked for', LIMIT, async () => {
  await using fixture = await Fixture.start();
  const forms: Record<string, () => AuthSessionOptions['scopes']> = {
    'a text': () => 'mcp:write mcp:read',
    'a list': () => ['mcp:write', 'mcp:read'],
    'a frozen list': () => Object.freeze(['mcp:write', 'mcp:read']),
    'a set': () => new Set(['mcp:write', 'mcp:read']),
    'with repeats': () => ['mcp:write', 'mcp:read', 'mcp:write', ''],
    'the keys of a map': () =>
      new Map([
        ['mcp:write', 1],
        ['mcp:read', 1],
      ]).keys(),
    'a generator': function* () {
      yield 'mcp:write';
      yield 'mcp:read';
    },
  };
  for (const [form, make] of Object.entries(forms)) {
    const person = new Person();
    await using session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: person, scopes: make() });
    assert.deepEqual(await session.signIn(), { kind: 'satisfied' });
    assert.deepEqual(person.pages[0]?.scopes.toSorted(), ['mcp:read', 'mcp:write'], form);
  }
});

test('scopes of another shape are refused by their name', LIMIT, async () => {
  const shapes: Record<string, unknown> = {
    'a list in a list': [['mcp:read']],
    'a list with a hole': Object.assign(['mcp:read'], { length: 2 }),
    'a map': new Map([['mcp:read', 1]]),
    'a list of text objects': [new String('mcp:read')],
    bytes: Buffer.from('mcp:read'),
    'what looks like a list': { length: 1, 0: 'mcp:read' },
    'an iterable that throws': {
      [Symbol.iterator]() {
        throw new RangeError(SECRET);
      },
    },
    'an iterable that is none': { [Symbol.iterator]: 5 },
  };
  for (const [shape, scopes] of Object.entries(shapes)) {
    const error = await refusal({ serverUrl, scopes }, shape);
    assert.equal(error.code, 'config', shape);
    assert.match(error.message, /scopes/, shape);
  }
});

test('options that are changed after they were handed in change nothing of the session', LIMIT, async () => {
  await using fixture = await Fixture.start();
  const sent = new Map<string, string | null>();
  const options = {
    serverUrl: fixture.mcpUrl,
    host: new Person() as object,
    store: new MapStore() as object,
    fetch: async (input: string | URL | Request, init?: RequestInit) => {
      const url = String(input instanceof Request ? input.url : input);
      sent.set(url, new Headers(init?.headers).get('authorization'));
      return url.startsWith('https://') ? new Response('elsewhere') : fetch(input, init);
    },
  };
  const opening = AuthSession.open(options as AuthSessionOptions);
  const fails = () => assert.fail('the session asks what it was not given');
  options.serverUrl = 'https://elsewhere.example/mcp';
  options.host = { confirmStepUp: fails, authorize: fails, redirectUri: fails };
  options.store = { load: fails, save: fails };
  options.fetch = fails;
  await using session = await opening;
  assert.deepEqual(await session.signIn(), { kind: 'satisfied' });
  // Another server must never receive the credential.
  await session.fetch('https://elsewhere.example/mcp');
  assert.deepEqual(
    [...sent].filter(([, authorization]) => authorization?.startsWith('Bearer ')),
    [],
  );
  assert.equal(session.serverUrl, fixture.mcpUrl);
});

test(
  'one object of options, changed from one session to the next, gives each session its own server',
  LIMIT,
  async () => {
    const options = { serverUrl: '' };
    const opening = ['https://a.example/mcp', 'https://b.example/mcp'].map((serverUrl) => {
      options.serverUrl = serverUrl;
      return AuthSession.open(options);
    });
    const sessions = await Promise.all(opening);
    assert.deepEqual(
      sessions.map((session) => session.serverUrl),
      ['https://a.example/mcp', 'https://b.example/mcp'],
    );
    for (const session of sessions) await session.close();
  },
);

test('a host keeps its this, and its methods may be inherited', LIMIT, async () => {
  await using fixture = await Fixture.start();
  class Private {
    #visits = 0;
    get redirectUri() {
      return good.redirectUri;
    }
    confirmStepUp() {
      return this.#visits > 0;
    }
    authorize({ url }: { url: string }) {
      this.#visits++;
      return visit(url);
    }
  }
  class Inherited extends Private {}
  await using session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Inherited() });
  assert.deepEqual(await session.signIn(), { kind: 'satisfied' });
});
