import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';

import { AuthSession, type AuthSessionOptions } from 'mcp-reauth';

import { refusal, revokedProxy, SECRET, same, throwingProxy } from './support/adversary.mjs';

const LIMIT = { timeout: 20_000 };

const serverUrl = 'http://127.0.0.1:9/mcp';

/** Values of all types. */
const KINDS: Record<string, unknown> = {
  null: null,
  'a flag': true,
  'a number': 5,
  'no number': Number.NaN,
  'a bigint': 5n,
  'a symbol': Symbol(SECRET),
  'a text': SECRET,
  'an empty text': '',
  'a text object': new String(SECRET),
  'a list': [SECRET],
  'a list of a number': [5],
  'an object': { [SECRET]: SECRET },
  'an object without a prototype': Object.create(null),
  'an object without a class': { constructor: undefined },
  'a function': () => SECRET,
  'a class': class {},
  'a date': new Date(0),
  'an address': new URL('https://a.example/x'),
  'a promise': Promise.resolve(SECRET),
  bytes: Buffer.from(SECRET),
};

/** Values that throw when they are inspected. */
const HOSTILE: Record<string, unknown> = {
  'an object whose class has no name': { constructor: { name: Symbol(SECRET) } },
  'an object whose class throws': Object.defineProperty({}, 'constructor', { get: boom }),
  'a Proxy that throws': throwingProxy(),
  'a Proxy that was revoked': revokedProxy(),
};

function boom(): never {
  throw new RangeError('boom');
}

type Kind = keyof typeof KINDS;

const OBJECTS: Kind[] = [
  'an object',
  'an object without a prototype',
  'an object without a class',
  'a text object',
  'a date',
  'an address',
  'a promise',
  'bytes',
];

/** The types that an option accepts; all others are rejected. */
const TEXT: Kind[] = ['a text'];
const FLAG: Kind[] = ['a flag'];
// Which strings are valid addresses is tested elsewhere.
const ADDRESS: Kind[] = ['a text', 'an empty text', 'an address'];
const CALLABLE: Kind[] = ['a function', 'a class'];
const TAKES: Record<keyof AuthSessionOptions, Kind[]> = {
  serverUrl: ADDRESS,
  clientName: TEXT,
  credentials: OBJECTS,
  clientMetadataUrl: ADDRESS,
  scopes: ['a text', 'an empty text', 'a list', 'a text object'],
  profile: TEXT,
  policy: OBJECTS,
  dpop: [],
  dpopKey: TEXT,
  sendResource: FLAG,
  pushRequests: FLAG,
  consentPrompt: FLAG,
  allowEndpoints: ['a list'],
  redirectUri: ADDRESS,
  store: [],
  host: [],
  fetch: CALLABLE,
  egress: [],
};

const POLICY_TAKES: Record<string, Kind[]> = {
  onInsufficientScope: [],
  maxStepUpRetries: ['a number'],
  confirmEnterpriseStepUp: FLAG,
  interaction: FLAG,
  refreshAheadMs: ['a number'],
  interactionTimeoutMs: ['a number'],
};

const PROVIDER_TAKES: Record<string, Kind[]> = {
  issuer: TEXT,
  clientId: TEXT,
  clientSecret: TEXT,
  clientKey: TEXT,
  enabled: FLAG,
};

const CLIENT_TAKES: Record<string, Kind[]> = {
  id: TEXT,
  secret: TEXT,
  key: TEXT,
  issuer: TEXT,
  atAnyIssuer: FLAG,
};

const CREDENTIALS_TAKE: Record<string, Kind[]> = {
  kind: [],
  client: [],
  identityProvider: ['null'],
};

const WORKLOAD_TAKES: Record<string, Kind[]> = { assertion: CALLABLE };

const provider = { issuer: 'https://idp.example', clientId: 'at-idp' };

/** The objects that have options, how to set an option of each, and its name in messages. */
const GROUPS = [
  { prefix: '', takes: TAKES, set: (name: string, value: unknown) => ({ serverUrl, [name]: value }) },
  {
    prefix: 'policy.',
    takes: POLICY_TAKES,
    set: (name: string, value: unknown) => ({ serverUrl, policy: { [name]: value } }),
  },
  {
    prefix: 'credentials.',
    takes: CREDENTIALS_TAKE,
    set: (name: string, value: unknown) => ({
      serverUrl,
      credentials: { kind: 'enterprise', identityProvider: provider, [name]: value },
    }),
  },
  {
    prefix: 'credentials.',
    takes: WORKLOAD_TAKES,
    set: (name: string, value: unknown) => ({
      serverUrl,
      credentials: { kind: 'workload', client: { id: 'x' }, [name]: value },
    }),
  },
  {
    prefix: 'credentials.client.',
    takes: CLIENT_TAKES,
    set: (name: string, value: unknown) => ({ serverUrl, credentials: { client: { id: 'x', [name]: value } } }),
  },
  {
    prefix: 'credentials.identityProvider.',
    takes: PROVIDER_TAKES,
    set: (name: string, value: unknown) => ({
      serverUrl,
      credentials: { kind: 'enterprise', identityProvider: { ...provider, [name]: value } },
    }),
  },
];

for (const { prefix, takes, set } of GROUPS) {
  for (const [name, kinds] of Object.entries(takes)) {
    test(`${prefix}${name} of the wrong type is refused by its name, and not quoted`, LIMIT, async () => {
      for (const [kind, value] of Object.entries(KINDS)) {
        if (kinds.includes(kind)) continue;
        const error = await refusal(set(name, value), kind);
        assert.equal(error.code, 'config', kind);
        assert.ok(error.message.includes(`${prefix}${name}`), `${kind}: ${error.message}`);
        assert.ok(!`${error.message}${error.sentence}`.includes(SECRET), kind);
      }
    });
  }
}

for (const [kind, value] of Object.entries(HOSTILE)) {
  test(`${kind} in the place of any option is refused by the name of the option`, LIMIT, async () => {
    for (const { prefix, takes, set } of GROUPS) {
      for (const name of Object.keys(takes)) {
        // These may be any object.
        if (['policy', 'credentials'].includes(name) && kind.startsWith('an object')) continue;
        const error = await refusal(set(name, value), prefix + name);
        assert.equal(error.code, 'config', prefix + name);
        assert.ok(error.message.includes(prefix + name), error.message);
      }
    }
  });
}

/** The innermost object with an option of this name. */
function holderOf(options: object, name: string): object | undefined {
  const objects = Object.values(options).filter((value) => typeof value === 'object' && value !== null);
  const inner = objects.map((value) => holderOf(value, name)).find((holder) => holder !== undefined);
  return inner ?? (Object.hasOwn(options, name) ? options : undefined);
}

test('an option whose getter throws is refused by its name, with what it threw as the cause', LIMIT, async () => {
  for (const { prefix, takes, set } of GROUPS) {
    for (const name of Object.keys(takes)) {
      const thrown = new RangeError(SECRET);
      const options = set(name, undefined);
      const holder = holderOf(options, name);
      Object.defineProperty(holder, name, {
        get() {
          throw thrown;
        },
        enumerable: true,
      });
      const error = await refusal(options, prefix + name);
      assert.equal(error.code, 'config', prefix + name);
      assert.ok(error.message.includes(name), error.message);
      same(error.cause, thrown);
    }
  }
});

for (const [kind, value] of Object.entries({ undefined: undefined, ...KINDS, ...HOSTILE })) {
  test(`${kind} in the place of all options is refused`, LIMIT, async () => {
    const error = await refusal(value);
    assert.equal(error.code, 'config');
    assert.ok(!error.message.includes(SECRET));
  });
}

test('every option that is undefined is as one that is not there', LIMIT, async () => {
  const given: AuthSessionOptions = { serverUrl };
  for (const name of Object.keys(TAKES)) if (name !== 'serverUrl') Object.assign(given, { [name]: undefined });
  given.policy = Object.fromEntries(Object.keys(POLICY_TAKES).map((name) => [name, undefined]));
  await using session = await AuthSession.open(given);
  await using plain = await AuthSession.open({ serverUrl });
  assert.deepEqual(await session.connectionState(), await plain.connectionState());
  assert.equal(session.identityProvider, undefined);
  const optional = { clientSecret: undefined, clientKey: undefined, enabled: undefined };
  await using managed = await AuthSession.open({
    serverUrl,
    credentials: { kind: 'enterprise', client: undefined, identityProvider: { ...provider, ...optional } },
  });
  assert.equal((await managed.identityProvider?.state())?.issuer, provider.issuer);
});

test('serverUrl is missing: the message says what it is', LIMIT, async () => {
  for (const options of [{}, { serverUrl: undefined }]) {
    const error = await refusal(options);
    assert.equal(error.code, 'config');
    assert.match(error.message, /serverUrl is missing/);
  }
});

test('options that exclude each other are told of, and none of them wins', LIMIT, async () => {
  const clientKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const client = { id: 'x', secret: SECRET };
  const where = 'credentials.client.';
  const managed = { kind: 'enterprise', identityProvider: { ...provider, clientSecret: SECRET, clientKey } };
  for (const [credentials, ...names] of [
    [{ client: { ...client, key: clientKey } }, `${where}secret`, `${where}key`],
    [
      { client: { ...client, issuer: 'https://as.example', atAnyIssuer: true } },
      `${where}issuer`,
      `${where}atAnyIssuer`,
    ],
    [managed, 'credentials.identityProvider.clientSecret', 'credentials.identityProvider.clientKey'],
  ] as const) {
    const error = await refusal({ serverUrl, credentials }, names.join(' and '));
    assert.equal(error.code, 'config');
    assert.ok(error.message.includes(`${names[0]} and ${names[1]} are both given`), error.message);
  }
});

test('what goes with another kind of credentials is told of, and has no say', LIMIT, async () => {
  const client = { id: 'x', secret: SECRET };
  const assertion = () => 'assertion';
  for (const [credentials, name, other, kind] of [
    [{ identityProvider: provider }, 'identityProvider', 'enterprise', 'person'],
    [{ kind: 'person', client, assertion }, 'assertion', 'workload', 'person'],
    [
      { kind: 'client_credentials', client, identityProvider: null },
      'identityProvider',
      'enterprise',
      'client_credentials',
    ],
    [{ kind: 'workload', client, assertion, identityProvider: provider }, 'identityProvider', 'enterprise', 'workload'],
    [{ kind: 'enterprise', identityProvider: provider, assertion }, 'assertion', 'workload', 'enterprise'],
  ] as const) {
    const error = await refusal({ serverUrl, credentials }, kind);
    assert.equal(error.code, 'config');
    assert.ok(
      error.message.endsWith(`credentials.${name} is for the kind '${other}', and the kind is '${kind}'`),
      error.message,
    );
  }
});

test('what a kind of credentials needs is told of where it is missing', LIMIT, async () => {
  for (const [credentials, message] of [
    [{ kind: 'client_credentials' }, /credentials\.client is missing/],
    [{ kind: 'client_credentials', client: {} }, /credentials\.client\.id is missing/],
    [{ kind: 'client_credentials', client: { id: 'x' } }, /and its secret or key/],
    [{ kind: 'workload', assertion: () => 'assertion' }, /credentials\.client is missing/],
    [{ kind: 'workload', client: { id: 'x' } }, /credentials\.assertion is missing/],
    [{ kind: 'enterprise' }, /credentials\.identityProvider is missing/],
    [{ client: { secret: SECRET } }, /credentials\.client\.id is missing/],
    [{ kind: 'machine' }, /credentials\.kind must be 'person' or 'client_credentials' or 'workload' or 'enterprise'/],
  ] as const) {
    const error = await refusal({ serverUrl, credentials }, `${message}`);
    assert.equal(error.code, 'config');
    assert.match(error.message, message);
  }
});

test('an option that is misspelt is told of, and how it is written', LIMIT, async () => {
  for (const [options, message] of [
    [{ serverUrl, clientname: 'x' }, /unknown option clientname; did you mean clientName\?$/],
    [
      { serverUrl, credentials: { client: { at_any_issuer: true } } },
      /unknown option credentials\.client\.at_any_issuer; did you mean credentials\.client\.atAnyIssuer\?$/,
    ],
    [{ serverUrl, policy: { interactive: false } }, /unknown option policy\.interactive$/],
    [
      { serverUrl, credentials: { kind: 'enterprise', identityProvider: { client_id: 'x' } } },
      /unknown option credentials\.identityProvider\.client_id; did you mean credentials\.identityProvider\.clientId\?$/,
    ],
    [{ serverUrl, [`${SECRET} x`]: 1 }, /unknown option \(another name\)$/],
  ] as const) {
    const error = await refusal(options, SECRET);
    assert.equal(error.code, 'config');
    assert.match(error.message, message);
  }
});
