/** Tokens bound to a key (DPoP), and pushed authorization requests, with third-party servers. */

import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';

import { MODERN, SDKS } from './support/clients.mjs';
import { answers, World } from './support/world.mjs';

const BOUNDED = { timeout: 60_000 };

/** The keys that tokens were bound to so far; asserts that all tokens were. */
async function keys({ servers }: World): Promise<string[]> {
  const events = await servers.events('token');
  return events
    .filter(({ error }) => error === undefined)
    .map(({ type, key }) => {
      assert.equal(type, 'DPoP');
      assert.ok(key);
      return key;
    });
}

/** How many proofs the MCP server and the authorization server have rejected for their nonce. */
async function noncesAsked({ servers }: World): Promise<[atMcp: number, atIssuer: number]> {
  const count = async (what: string) => {
    const events = await servers.events(what);
    return events.filter(({ error }) => error === 'use_dpop_nonce').length;
  };
  return [await count('mcp'), await count('token')];
}

async function scheme({ servers }: World): Promise<string | undefined> {
  return (await servers.lastLetIn()).scheme;
}

for (const [sdk, dpopNonces] of [[MODERN, false] as const, ...SDKS.map((sdk) => [sdk, true] as const)]) {
  const how = `${sdk.name}, ${dpopNonces ? 'with' : 'without'} nonces`;

  test(`a server that wants bound tokens gets them unasked (${how})`, BOUNDED, async () => {
    await using world = await World.start({ dpop: 'required', dpopNonces });
    const { servers, person } = world;
    const { session, client } = await world.signIn(sdk);
    await answers(client, 'echo');
    assert.equal(await scheme(world), 'DPoP');
    assert.equal((await session.connectionState()).boundToKey, true);
    assert.equal(session.authorization()?.needsProof, true);
    await answers(client, 'write');
    assert.equal(await scheme(world), 'DPoP');
    assert.deepEqual((await servers.lastLetIn()).scopes, ['mcp:read', 'mcp:write']);
    assert.equal(person.pages.length, 1);
    const [first, second, ...others] = await keys(world);
    assert.equal(second, first);
    assert.deepEqual(others, []);
    // However many requests the wire takes, at most one of them has to learn the nonce.
    assert.deepEqual(await noncesAsked(world), dpopNonces ? [1, 1] : [0, 0]);
    assert.deepEqual(client.errors, []);
  });
}

for (const dpopNonces of [false, true]) {
  const nonces = dpopNonces ? 'with nonces' : 'without nonces';

  test(`bound tokens are used and renewed by one process after another (${nonces})`, BOUNDED, async () => {
    await using world = await World.start({ dpop: 'accepted', dpopNonces });
    const { servers, person } = world;
    const first = await world.signIn(MODERN, { dpop: 'always' });
    await first.client.close();
    await first.session.close();
    for (const renewals of [1, 2]) {
      await servers.expire();
      // The key is stored, so the option is not needed again.
      const { session, client } = await world.connect(MODERN);
      await answers(client, 'echo');
      assert.equal(await scheme(world), 'DPoP');
      const refreshes = (await servers.tokenRequests('refresh_token')).filter(({ error }) => error === undefined);
      assert.equal(refreshes.length, renewals);
      // oidc-provider does not rotate refresh tokens that are bound to a key.
      assert.equal(refreshes.at(-1)?.rotations, 0);
      await client.close();
      await session.close();
    }
    assert.equal(person.pages.length, 0);
    const known = await keys(world);
    assert.equal(known.length, 3);
    assert.equal(new Set(known).size, 1);
  });
}

test('a nonce costs a session one request at each server, and one that changed costs one more', BOUNDED, async () => {
  await using world = await World.start({ dpop: 'required', dpopNonces: true });
  const { servers, person } = world;
  const { client } = await world.signIn(MODERN);
  await answers(client, 'write');
  await servers.expire();
  await answers(client, 'echo');
  assert.deepEqual(await noncesAsked(world), [1, 1]);

  await servers.changeNonce();
  const [requests, tokens] = [await servers.events('mcp'), await servers.events('token')];
  await answers(client, 'echo');
  assert.deepEqual(await noncesAsked(world), [2, 1]);
  const since = (await servers.events('mcp')).slice(requests.length);
  assert.deepEqual(
    since.map(({ status, error }) => [status, error]),
    [
      [401, 'use_dpop_nonce'],
      [200, undefined],
    ],
  );
  assert.deepEqual(await servers.events('token'), tokens);
  await answers(client, 'echo');
  assert.deepEqual(await noncesAsked(world), [2, 1]);
  assert.equal(person.pages.length, 1);
});

test('a nonce that changes during a renewal costs a request and nothing else', BOUNDED, async () => {
  await using world = await World.start({ dpop: 'required', dpopNonces: true });
  const { servers, person } = world;
  const { client } = await world.signIn(MODERN);
  const [atMcp, atIssuer] = await noncesAsked(world);
  await servers.expire();
  await servers.hold();
  const change = async () => {
    await servers.haveHeld(1);
    await servers.changeNonce();
    await servers.release();
  };
  await Promise.all([answers(client, 'echo'), change()]);
  assert.deepEqual(await noncesAsked(world), [atMcp + 1, atIssuer]);
  assert.equal((await servers.tokenRequests('refresh_token')).length, 1);
  assert.equal(person.pages.length, 0);
});

test('twenty calls that meet a nonce that changed are all answered with the same token', BOUNDED, async () => {
  await using world = await World.start({ dpop: 'required', dpopNonces: true });
  const { servers, person } = world;
  const { client } = await world.signIn(MODERN);
  await servers.changeNonce();
  const tokens = await servers.events('token');
  await Promise.all(Array.from({ length: 20 }, () => answers(client, 'echo')));
  const [atMcp] = await noncesAsked(world);
  assert.ok(atMcp <= 21, `${atMcp} proofs were refused`);
  assert.deepEqual(await servers.events('token'), tokens);
  assert.equal(person.pages.length, 0);
});

test('after a restart the key is the same, and each server is asked for a nonce again', BOUNDED, async () => {
  await using world = await World.start({ dpop: 'required', dpopNonces: true });
  const { servers, person } = world;
  const first = await world.signIn(MODERN);
  await first.client.close();
  await first.session.close();
  const [atMcp, atIssuer] = await noncesAsked(world);
  const { client } = await world.connect(MODERN);
  await answers(client, 'echo');
  assert.deepEqual(await noncesAsked(world), [atMcp + 1, atIssuer]);
  await servers.expire();
  await answers(client, 'echo');
  assert.deepEqual(await noncesAsked(world), [atMcp + 1, atIssuer + 1]);
  const [key, ...others] = await keys(world);
  assert.deepEqual(others, [key]);
  assert.equal(person.pages.length, 0);
});

test('tokens stay bound to one key while refresh tokens rotate', BOUNDED, async () => {
  await using world = await World.start({ dpop: 'accepted', alwaysRotates: true });
  const { servers, person } = world;
  const { client } = await world.signIn(MODERN, { dpop: 'always' });
  const known = [await world.stored('refresh_token')];
  for (const renewals of [1, 2]) {
    await servers.expire();
    await answers(client, 'echo');
    const refreshes = await servers.tokenRequests('refresh_token');
    assert.equal(refreshes.length, renewals);
    assert.equal(refreshes.at(-1)?.rotations, renewals);
    const refreshToken = await world.stored('refresh_token');
    assert.ok(!known.includes(refreshToken), 'it was not rotated');
    known.push(refreshToken);
  }
  await answers(client, 'write');
  assert.equal(await scheme(world), 'DPoP');
  assert.deepEqual((await servers.lastLetIn()).scopes, ['mcp:read', 'mcp:write']);
  assert.equal(person.pages.length, 1);
  const bound = await keys(world);
  assert.equal(bound.length, 4);
  assert.equal(new Set(bound).size, 1);
});

test('a key of the application binds the tokens, and is not stored', BOUNDED, async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { crv, kty, x, y, d = '' } = privateKey.export({ format: 'jwk' });
  // RFC 7638: exactly these members in this order.
  const thumbprint = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  await using world = await World.start({ dpop: 'required' });
  const dpopKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const { session, client } = await world.signIn(MODERN, { dpopKey });
  await answers(client, 'echo');
  assert.equal(await scheme(world), 'DPoP');
  assert.deepEqual(await keys(world), [thumbprint]);
  const kept = (await world.contents()) + JSON.stringify(await session.authState());
  assert.ok(kept.includes(thumbprint), kept);
  assert.ok(!kept.includes(d), kept);
});

test('what is bound is of no use to a thief', BOUNDED, async () => {
  await using world = await World.start({ dpop: 'accepted' });
  const { servers } = world;
  const { session, client } = await world.signIn(MODERN, { dpop: 'always' });
  assert.ok(!(await servers.accepts(await world.stored('access_token'))));
  const { clientId = '' } = await session.connectionState();
  const refreshToken = await world.stored('refresh_token');
  const form = { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: clientId };
  assert.deepEqual(await servers.requestToken(form), { status: 400, error: 'invalid_grant' });
  await answers(client, 'echo');
});

test('a challenge is enough to ask for bound tokens', BOUNDED, async () => {
  await using world = await World.start({ dpop: 'required', dpopAnnounced: false });
  const { client } = await world.signIn(MODERN);
  await answers(client, 'echo');
  assert.equal(await scheme(world), 'DPoP');
  assert.equal((await keys(world)).length, 1);
});

test('bearer tokens are used where both are taken', BOUNDED, async () => {
  await using world = await World.start({ dpop: 'accepted' });
  const { session, client } = await world.signIn(MODERN);
  await answers(client, 'echo');
  assert.equal(await scheme(world), 'Bearer');
  assert.equal((await session.connectionState()).boundToKey, false);
});

for (const [dpop, dpopNonces, bound] of [
  ['off', false, 'Bearer'],
  ['required', false, 'DPoP'],
  ['required', true, 'DPoP'],
] as const) {
  const how = `DPoP ${dpop}${dpopNonces ? ' with nonces' : ''}`;
  test(`authorization requests are pushed where the server insists (${how})`, BOUNDED, async () => {
    await using world = await World.start({ requirePushedRequests: true, dpop, dpopNonces });
    const { servers, person } = world;
    const { client } = await world.connect(MODERN);
    await answers(client, 'echo');
    assertPushed(person.pages.map(({ url }) => url));
    assert.equal((await servers.events('pushed')).length, 1);
    assert.equal(await scheme(world), bound);
  });
}

test('authorization requests are pushed where that is wanted and offered', BOUNDED, async () => {
  await using world = await World.start();
  const { servers, person } = world;
  const { client } = await world.connect(MODERN, { pushRequests: true });
  await answers(client, 'echo');
  assertPushed(person.pages.map(({ url }) => url));
  assert.equal((await servers.events('pushed')).length, 1);
});

/** Asserts that there was one page, whose address has only a reference to the pushed request. */
function assertPushed(pages: string[]): void {
  assert.equal(pages.length, 1);
  const parameters = [...new URL(pages[0] ?? '').searchParams.keys()];
  assert.deepEqual(parameters.toSorted(), ['client_id', 'request_uri']);
}
