/**
 * The package and the official SDK against a certified authorization server (oidc-provider) and an MCP server with the
 * official packages, with a user who reads pages and fills in forms.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER } from './support/browser.mjs';
import { MODERN, SDKS } from './support/clients.mjs';
import { until } from './support/third-party.mjs';
import { answers, failure, World } from './support/world.mjs';

const BOUNDED = { timeout: 60_000 };

for (const sdk of SDKS) {
  test(`a first connection registers, signs in and is answered (${sdk.name})`, BOUNDED, async () => {
    await using world = await World.start();
    const { servers, person } = world;
    const { session, client } = await world.connect(sdk);
    await answers(client, 'echo');
    assert.equal(person.pages.length, 1);
    assert.deepEqual(person.saw(), ['Sign-in', 'Authorize']);
    const pages = await servers.events('page');
    assert.deepEqual(
      pages.map(({ prompt }) => prompt),
      ['login', 'consent'],
    );

    const registered = { what: 'registration', type: 'native', auth: 'none' };
    assert.deepEqual(await servers.events('registration'), [registered]);
    const authorized = { what: 'authorization', resource: world.url, scope: 'mcp:read' };
    assert.deepEqual(await servers.events('authorization'), [authorized]);
    const [token, ...others] = await servers.events('token');
    assert.deepEqual(others, []);
    assert.deepEqual(token, {
      what: 'token',
      grant: 'authorization_code',
      resource: world.url,
      auth: 'none',
      type: 'Bearer',
      scope: 'mcp:read',
      rotations: 0,
    });
    assert.equal(await servers.rejections(), 1);
    const { user, audience, scopes, scheme } = await servers.lastLetIn();
    assert.deepEqual(
      { user, audience, scopes, scheme },
      { user: USER, audience: world.url, scopes: ['mcp:read'], scheme: 'Bearer' },
    );
    const { signedIn, authorized: isAuthorized, renewable, issuer, pending } = await session.connectionState();
    assert.deepEqual([signedIn, isAuthorized, renewable, issuer, pending], [true, true, true, servers.issuer, 0]);
    const handshake = (await servers.events('mcp')).some(({ method }) => method === 'initialize');
    assert.equal(handshake, sdk !== MODERN);
    assert.deepEqual(client.errors, []);
  });

  test(
    `a sign-in that is declined is an error that says so, and another one follows (${sdk.name})`,
    BOUNDED,
    async () => {
      await using world = await World.start();
      const { servers, person } = world;
      person.declines = true;
      const session = await world.session();
      await assert.rejects(world.connectThrough(session, sdk), failure('authorization_denied'));
      assert.deepEqual(person.saw(), ['Sign-in', 'Authorize']);
      assert.equal(person.pages.length, 1);
      assert.deepEqual(await servers.events('token'), []);
      assert.equal((await session.connectionState()).pending, 0);

      person.declines = false;
      await answers(await world.connectThrough(session, sdk), 'echo');
      assert.equal(person.pages.length, 2);
      assert.equal((await servers.events('registration')).length, 1);
    },
  );

  test(`an expired token is renewed silently, and refresh tokens rotate (${sdk.name})`, BOUNDED, async () => {
    await using world = await World.start();
    const { servers, person } = world;
    const { session, client } = await world.signIn(sdk);
    const first = await world.stored('refresh_token');
    const known = [first];
    for (const renewals of [1, 2]) {
      await servers.expire();
      const before = await servers.events('mcp');
      await answers(client, 'echo');
      const since = (await servers.events('mcp')).slice(before.length);
      assert.deepEqual(
        since.map(({ status }) => status),
        [401, 200],
      );
      const refreshes = await servers.tokenRequests('refresh_token');
      assert.equal(refreshes.length, renewals);
      const { error, rotations, resource } = refreshes.at(-1) ?? {};
      assert.deepEqual([error, rotations, resource], [undefined, renewals, world.url]);
      assert.equal((await servers.events('consumed')).length, renewals);
      const refreshToken = await world.stored('refresh_token');
      assert.ok(!known.includes(refreshToken), 'it was not rotated');
      known.push(refreshToken);
    }
    assert.equal(person.pages.length, 0);
    assert.deepEqual(await servers.events('grant revoked'), []);
    assert.deepEqual(client.errors, []);

    // Reusing the first, rotated refresh token counts as theft, so the server revokes the whole grant.
    const { clientId = '' } = await session.connectionState();
    const form = { grant_type: 'refresh_token', refresh_token: first, client_id: clientId };
    assert.deepEqual(await servers.requestToken(form), { status: 400, error: 'invalid_grant' });
    assert.equal((await servers.events('grant revoked')).length, 1);
    await answers(client, 'echo');
    assert.equal(person.pages.length, 1);
  });

  test(`twenty calls that meet an expired token share one renewal (${sdk.name})`, BOUNDED, async () => {
    await using world = await World.start();
    const { servers, person } = world;
    const { client } = await world.signIn(sdk);
    await servers.expire();
    await servers.hold();
    const before = await servers.events('mcp');
    const rejections = await servers.rejections();
    const calls = Array.from({ length: 20 }, () => answers(client, 'echo'));
    const release = async () => {
      // All calls are rejected before the one renewal is answered.
      await until(async () => (await servers.rejections()) === rejections + calls.length);
      await servers.haveHeld(1);
      await servers.release();
    };
    await Promise.all([...calls, release()]);
    const refreshes = await servers.tokenRequests('refresh_token');
    assert.deepEqual(
      refreshes.map(({ error, rotations }) => [error, rotations]),
      [[undefined, 1]],
    );
    assert.equal((await servers.events('consumed')).length, 1);
    assert.equal((await servers.events('mcp')).length, before.length + 2 * calls.length);
    assert.equal(person.pages.length, 0);
  });

  test(`after a restart nobody signs in again (${sdk.name})`, BOUNDED, async () => {
    await using world = await World.start();
    const { servers, person } = world;
    const { session, client } = await world.signIn(sdk);
    await client.close();
    await session.close();
    const rejections = await servers.rejections();

    const again = await world.connect(sdk);
    await answers(again.client, 'echo');
    assert.equal(await servers.rejections(), rejections);
    assert.equal((await servers.events('token')).length, 1);
    await again.client.close();
    await again.session.close();

    await servers.expire();
    const { client: renewed } = await world.connect(sdk);
    await answers(renewed, 'echo');
    assert.equal(await servers.rejections(), rejections + 1);
    const refreshes = await servers.tokenRequests('refresh_token');
    assert.deepEqual(
      refreshes.map(({ error }) => error),
      [undefined],
    );
    assert.equal(person.pages.length, 0);
    assert.equal((await servers.events('registration')).length, 1);
  });

  test(`a grant that was revoked is given again once, whoever needs it (${sdk.name})`, BOUNDED, async () => {
    await using world = await World.start();
    const { servers, person } = world;
    const { client } = await world.signIn(sdk);
    await servers.revoke();
    await Promise.all(Array.from({ length: 5 }, () => answers(client, 'echo')));
    assert.equal(person.pages.length, 1);
    // The browser has a session, so only consent was asked for.
    assert.deepEqual(person.saw(), ['Authorize']);
    assert.deepEqual(person.questions, []);
    const refreshes = await servers.tokenRequests('refresh_token');
    assert.deepEqual(
      refreshes.map(({ error }) => error),
      ['invalid_grant'],
    );
    assert.equal((await servers.events('registration')).length, 1);
    await servers.expire();
    await answers(client, 'echo');
    assert.equal(person.pages.length, 1);
  });

  test(`a client that the server forgot registers again (${sdk.name})`, BOUNDED, async () => {
    await using world = await World.start();
    const { servers, person } = world;
    const { session, client } = await world.signIn(sdk);
    const { clientId } = await session.connectionState();
    await servers.expire();
    await servers.forgetClients();
    await answers(client, 'echo');
    assert.equal(person.pages.length, 1);
    assert.deepEqual(person.saw(), ['Authorize']);
    const refreshes = await servers.tokenRequests('refresh_token');
    assert.deepEqual(
      refreshes.map(({ error }) => error),
      ['invalid_client'],
    );
    assert.equal((await servers.events('registration')).length, 2);
    assert.notEqual((await session.connectionState()).clientId, clientId);
    await servers.expire();
    await answers(client, 'echo');
    assert.equal(person.pages.length, 1);
  });
}

test('where refresh tokens take a prompt, the second sign-in has it', BOUNDED, async () => {
  await using world = await World.start({ refreshTokensNeedPrompt: true });
  const { servers, person } = world;
  const prompts = () => person.pages.map(({ url }) => new URL(url).searchParams.get('prompt'));
  const { session, client } = await world.connect(MODERN);
  await answers(client, 'echo');
  assert.deepEqual(prompts(), [null]);
  assert.equal((await session.connectionState()).renewable, false);

  await servers.expire();
  await answers(client, 'echo');
  assert.deepEqual(prompts(), [null, 'consent']);
  assert.equal((await session.connectionState()).renewable, true);
  for (const renewals of [1, 2]) {
    await servers.expire();
    await answers(client, 'echo');
    const refreshes = await servers.tokenRequests('refresh_token');
    assert.deepEqual([refreshes.length, refreshes.at(-1)?.rotations], [renewals, renewals]);
  }
  assert.equal(person.pages.length, 2);
});

test('a call that hears of its refusal after the renewal is sent again without another', BOUNDED, async () => {
  await using world = await World.start();
  const { servers, person } = world;
  let renewed = () => {};
  const renewal = new Promise<void>((resolve) => {
    renewed = resolve;
  });
  const { client } = await world.signIn(MODERN, {
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if (response.status === 401 && String(init?.body).includes('late')) await renewal;
      return response;
    },
  });
  const rejections = await servers.rejections();
  await servers.expire();
  const late = client.callTool({ name: 'echo', arguments: { text: 'late' } });
  const early = async () => {
    await until(async () => (await servers.rejections()) === rejections + 1);
    await answers(client, 'echo');
    renewed();
  };
  const [{ content }] = await Promise.all([late, early()]);
  assert.deepEqual(content, [{ type: 'text', text: 'late' }]);
  assert.equal(await servers.rejections(), rejections + 2);
  assert.equal((await servers.tokenRequests('refresh_token')).length, 1);
  assert.equal(person.pages.length, 0);
});

test('sessions of several processes that meet an expired token share one renewal', BOUNDED, async () => {
  await using world = await World.start();
  const { servers, person } = world;
  const connections = [await world.signIn(MODERN), await world.connect(MODERN), await world.connect(MODERN)];
  const rejections = await servers.rejections();
  await servers.expire();
  await servers.hold();
  const release = async () => {
    await until(async () => (await servers.rejections()) === rejections + connections.length);
    await servers.haveHeld(1);
    await servers.release();
  };
  await Promise.all([...connections.map(({ client }) => answers(client, 'echo')), release()]);
  const refreshes = await servers.tokenRequests('refresh_token');
  assert.deepEqual(
    refreshes.map(({ error }) => error),
    [undefined],
  );
  assert.equal(person.pages.length, 0);
});

test('a token that is known to have expired is renewed before it is rejected', BOUNDED, async () => {
  await using world = await World.start({ accessTokenLife: 2 });
  const { servers, person } = world;
  const { session, client } = await world.signIn(MODERN, { policy: { refreshAheadMs: 0 } });
  const refreshes = (await servers.tokenRequests('refresh_token')).length;
  const rejections = await servers.rejections();
  await until(async () => !(await session.connectionState()).authorized);
  await answers(client, 'echo');
  assert.equal(await servers.rejections(), rejections);
  assert.equal((await servers.tokenRequests('refresh_token')).length, refreshes + 1);
  assert.equal(person.pages.length, 0);
});

test('signing in takes eight requests and the ones of the person, and renewing takes one', BOUNDED, async () => {
  await using world = await World.start();
  const { servers } = world;
  const sent: string[] = [];
  const { client } = await world.signIn(MODERN, {
    fetch: (input, init) => {
      sent.push(`${init?.method ?? 'GET'} ${new URL(String(input)).pathname}`);
      return fetch(input, init);
    },
  });
  // The server rejects registrations with scopes of a resource, both all of them and the needed ones.
  const register = 'POST /reg';
  assert.deepEqual(sent.slice(0, 8), [
    'POST /mcp',
    'GET /.well-known/oauth-protected-resource/mcp',
    'GET /.well-known/oauth-authorization-server',
    register,
    register,
    register,
    'POST /token',
    'POST /mcp',
  ]);
  await servers.expire();
  sent.length = 0;
  await answers(client, 'echo');
  assert.deepEqual(sent, ['POST /mcp', 'POST /token', 'POST /mcp']);
});

test('without a resource the token is for nobody, and no loop comes of it', BOUNDED, async () => {
  await using world = await World.start();
  const { servers, person } = world;
  // Without the resource indicator the server does not know the resource's scopes, and denies a request for only those.
  const session = await world.session({ sendResource: false, scopes: ['openid'] });
  await assert.rejects(world.connectThrough(session, MODERN), failure('unauthorized'));
  assert.equal(person.pages.length, 1);
  assert.ok((await servers.rejections()) <= 3);
});

test('a signed token is verified by the server itself', BOUNDED, async () => {
  await using world = await World.start({ accessTokenFormat: 'jwt' });
  const { servers } = world;
  const { session, client } = await world.signIn(MODERN);
  await answers(client, 'echo');
  const token = await world.stored('access_token');
  assert.equal(token.split('.').length, 3);
  assert.equal(session.authorization()?.headerValue, `Bearer ${token}`);
  const { audience, user } = await servers.lastLetIn();
  assert.deepEqual([audience, user], [world.url, USER]);
});

test('signing out revokes the tokens and the grant', BOUNDED, async () => {
  await using world = await World.start();
  const { servers, person } = world;
  const { session, client } = await world.signIn(MODERN);
  const [accessToken, refreshToken] = [await world.stored('access_token'), await world.stored('refresh_token')];
  const { clientId = '' } = await session.connectionState();
  assert.ok(await servers.accepts(accessToken));

  assert.equal(await session.signOut(), 'done');
  assert.ok(!(await servers.accepts(accessToken)));
  const form = { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: clientId };
  assert.deepEqual(await servers.requestToken(form), { status: 400, error: 'invalid_grant' });
  assert.equal((await servers.events('grant revoked')).length, 1);
  assert.deepEqual(await servers.events('revocation'), []);
  assert.equal(session.authorization(), undefined);
  const contents = await world.contents();
  for (const secret of [accessToken, refreshToken]) assert.ok(!contents.includes(secret));

  await answers(client, 'echo');
  assert.equal(person.pages.length, 1);
});
