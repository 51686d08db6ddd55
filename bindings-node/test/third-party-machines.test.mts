/** Pre-registered clients with third-party servers: for users and for machines. */

import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';

import type { AuthSessionOptions, ClientOptions } from 'mcp-reauth';
import { MODERN } from './support/clients.mjs';
import type { Settings } from './support/third-party.mjs';
import { answers, failure, World } from './support/world.mjs';

const BOUNDED = { timeout: 60_000 };

const ID = 'an-application';
/** Its characters are encoded differently in a header (RFC 6749 section 2.3.1). */
const SECRET = 's3cret/with+odd=char:acters %71d0';
const WRONG = 'not-the-secret-90be';

/** Authentication methods, with the server's methods that lead to each. */
const SECRETS: [method: string, clientAuthMethods: string[]][] = [
  ['client_secret_basic', ['client_secret_basic', 'client_secret_post', 'none']],
  ['client_secret_post', ['client_secret_post', 'none']],
];

/** Settings of servers with one registered client and no dynamic registration. */
function knowing(client: object, settings: Settings = {}): Settings {
  return { dynamicRegistration: false, clients: [{ client_id: ID, ...client }], ...settings };
}

const MACHINE = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const APPLICATION = {
  application_type: 'native',
  grant_types: ['authorization_code', 'refresh_token'],
  redirect_uris: ['http://127.0.0.1/oauth/callback'],
};

/** The options of the client with a secret, which is sent to the issuer only. */
function application(world: World, secret: string): Partial<AuthSessionOptions> {
  return { credentials: { client: { id: ID, issuer: world.servers.issuer, secret } } };
}

/** The options of a client that acts on its own behalf. */
function machine(world: World, proof: Partial<ClientOptions>): Partial<AuthSessionOptions> {
  const client = { id: ID, issuer: world.servers.issuer, ...proof };
  return { credentials: { kind: 'client_credentials', client }, host: undefined };
}

for (const [method, clientAuthMethods] of SECRETS) {
  const client = { client_secret: SECRET, token_endpoint_auth_method: method };

  test(`a client that is registered and has a secret renews again and again (${method})`, BOUNDED, async () => {
    await using world = await World.start(knowing({ ...client, ...APPLICATION }, { clientAuthMethods }));
    const { servers, person } = world;
    const first = await world.signIn(MODERN, application(world, SECRET));
    await answers(first.client, 'echo');
    const refreshToken = await world.stored('refresh_token');
    await first.client.close();
    await first.session.close();
    // The client and its secret are stored.
    const again = await world.connect(MODERN);
    for (const renewals of [1, 2]) {
      await servers.expire();
      await answers(again.client, 'echo');
      const refreshes = await servers.tokenRequests('refresh_token');
      assert.equal(refreshes.length, renewals);
      const { error, auth } = refreshes.at(-1) ?? {};
      assert.deepEqual([error, auth], [undefined, method]);
      assert.equal(await world.stored('refresh_token'), refreshToken);
    }
    assert.equal(person.pages.length, 0);
  });

  test(`a client with a wrong secret is told so, and the secret is not shown (${method})`, BOUNDED, async () => {
    await using world = await World.start(knowing({ ...client, ...APPLICATION }, { clientAuthMethods }));
    const { person } = world;
    const wrong = world.connect(MODERN, application(world, WRONG));
    await assert.rejects(wrong, failure('registration_rejected', [WRONG]));
    assert.equal(person.pages.length, 1);
    person.reset();
    const right = await world.signIn(MODERN, application(world, SECRET));
    await answers(right.client, 'echo');
  });

  test(`a machine with a secret gets a token, and a new one when that expires (${method})`, BOUNDED, async () => {
    await using world = await World.start(knowing({ ...client, ...MACHINE }, { clientAuthMethods }));
    const { servers } = world;
    const connection = await world.connect(MODERN, machine(world, { secret: SECRET }));
    for (const tokens of [1, 2]) {
      await answers(connection.client, 'echo');
      const requests = await servers.tokenRequests('client_credentials');
      assert.equal(requests.length, tokens);
      const { error, auth, resource } = requests.at(-1) ?? {};
      assert.deepEqual([error, auth, resource], [undefined, method, world.url]);
      assert.equal((await servers.lastLetIn()).audience, world.url);
      assert.equal(await servers.rejections(), tokens);
      await servers.expire();
    }
  });

  test(`a machine with a wrong secret is told so, and the secret is not shown (${method})`, BOUNDED, async () => {
    await using world = await World.start(knowing({ ...client, ...MACHINE }, { clientAuthMethods }));
    const { servers } = world;
    const wrong = world.connect(MODERN, machine(world, { secret: WRONG }));
    await assert.rejects(wrong, failure('registration_rejected', [WRONG]));
    assert.equal((await servers.tokenRequests('client_credentials')).length, 1);
    const right = await world.connect(MODERN, machine(world, { secret: SECRET }));
    await answers(right.client, 'echo');
  });
}

for (const kind of ['person', 'client_credentials'] as const) {
  const isMachine = kind === 'client_credentials';
  const who = isMachine ? 'a machine' : 'a client';
  test(`without its issuer, the secret of ${who} is sent nowhere`, BOUNDED, async () => {
    const client = { client_secret: SECRET, token_endpoint_auth_method: 'client_secret_basic' };
    await using world = await World.start(knowing({ ...client, ...(isMachine ? MACHINE : APPLICATION) }));
    const { servers, person } = world;
    const host = isMachine ? undefined : person;
    const untold = world.connect(MODERN, { credentials: { kind, client: { id: ID, secret: SECRET } }, host });
    await assert.rejects(untold, (error) => {
      failure('config', [SECRET])(error);
      assert.ok(String(error).includes(servers.issuer), String(error));
      return true;
    });
    assert.equal(person.pages.length, 0);
    assert.deepEqual(await servers.events('token'), []);
  });
}

test('without a client where none can register, nobody is sent anywhere', BOUNDED, async () => {
  await using world = await World.start({ dynamicRegistration: false });
  await assert.rejects(world.connect(MODERN), failure('registration_rejected'));
  assert.equal(world.person.pages.length, 0);
});

test('a machine gets more scope by itself', BOUNDED, async () => {
  const client = { client_secret: SECRET, token_endpoint_auth_method: 'client_secret_basic', ...MACHINE };
  await using world = await World.start(knowing(client));
  const { servers } = world;
  const connection = await world.connect(MODERN, machine(world, { secret: SECRET }));
  await answers(connection.client, 'write');
  assert.deepEqual((await servers.lastLetIn()).scopes, ['mcp:read', 'mcp:write']);
  assert.equal((await servers.tokenRequests('client_credentials')).length, 2);
});

interface Keys {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

const ALGORITHMS: [algorithm: string, generate: () => Keys][] = [
  ['ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ['RS256', () => generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ['EdDSA', () => generateKeyPairSync('ed25519')],
];

/** Settings of servers at which a machine is registered with its key. */
function knowingKey(algorithm: string, { publicKey }: Keys): Settings {
  return knowing({
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: algorithm,
    jwks: { keys: [publicKey.export({ format: 'jwk' })] },
    ...MACHINE,
  });
}

function pem({ privateKey }: Keys): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** The parts of a PEM key that must not be visible. */
function linesOf(pem: string): string[] {
  return pem.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
}

for (const [algorithm, generate] of ALGORITHMS) {
  test(`a machine is known by its key (${algorithm})`, BOUNDED, async () => {
    const keys = generate();
    await using world = await World.start(knowingKey(algorithm, keys));
    const { servers } = world;
    const connection = await world.connect(MODERN, machine(world, { key: pem(keys) }));
    for (const tokens of [1, 2]) {
      await answers(connection.client, 'echo');
      const requests = await servers.tokenRequests('client_credentials');
      assert.equal(requests.length, tokens);
      const { error, auth } = requests.at(-1) ?? {};
      assert.deepEqual([error, auth], [undefined, 'private_key_jwt']);
      await servers.expire();
    }
    const contents = await world.contents();
    for (const line of linesOf(pem(keys))) assert.ok(!contents.includes(line), 'the key is stored');
  });
}

test('a machine with another key is refused, and the key is not shown', BOUNDED, async () => {
  const [keys, others] = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' })) as [Keys, Keys];
  await using world = await World.start(knowingKey('ES256', keys));
  const other = world.connect(MODERN, machine(world, { key: pem(others) }));
  await assert.rejects(other, failure('registration_rejected', linesOf(pem(others))));
  assert.equal((await world.servers.tokenRequests('client_credentials')).length, 1);
});

test('a key may be a JWK', BOUNDED, async () => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await using world = await World.start(knowingKey('ES256', keys));
  const key = JSON.stringify(keys.privateKey.export({ format: 'jwk' }));
  const connection = await world.connect(MODERN, machine(world, { key }));
  await answers(connection.client, 'echo');
  const requests = await world.servers.tokenRequests('client_credentials');
  assert.deepEqual(
    requests.map(({ error, auth }) => [error, auth]),
    [[undefined, 'private_key_jwt']],
  );
});
