/** Tools that need more scope than was granted, with third-party servers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SDKS } from './support/clients.mjs';
import { answers, failure, World } from './support/world.mjs';

const BOUNDED = { timeout: 60_000 };
const BOTH = ['mcp:read', 'mcp:write'];

for (const sdk of SDKS) {
  test(`a tool that needs more gets it with one question and one page (${sdk.name})`, BOUNDED, async () => {
    await using world = await World.start();
    const { servers, person } = world;
    const { session, client } = await world.signIn(sdk);
    await answers(client, 'echo');
    assert.deepEqual((await servers.lastLetIn()).scopes, ['mcp:read']);

    await Promise.all(Array.from({ length: 5 }, () => answers(client, 'write')));
    assert.equal(person.questions.length, 1);
    const { server, newScopes, scopes, challenge } = person.questions[0] ?? {};
    assert.deepEqual([server, newScopes, scopes], [world.url, ['mcp:write'], [...BOTH, 'offline_access']]);
    assert.deepEqual(challenge?.requiredScopes, ['mcp:write']);
    assert.deepEqual(challenge?.context, { method: 'tools/call', toolName: 'write' });
    assert.equal(person.pages.length, 1);
    assert.deepEqual(person.saw(), ['Authorize']);
    assert.deepEqual((await servers.lastLetIn()).scopes, BOTH);
    assert.deepEqual((await session.connectionState()).grantedScopes, BOTH);
    assert.equal((await servers.events('token')).length, 2);
    // A refresh never adds scope.
    assert.deepEqual(await servers.tokenRequests('refresh_token'), []);

    await answers(client, 'echo');
    await servers.expire();
    await answers(client, 'write');
    assert.deepEqual((await servers.lastLetIn()).scopes, BOTH);
    assert.equal((await servers.tokenRequests('refresh_token')).length, 1);
    assert.equal(person.questions.length, 1);
    assert.equal(person.pages.length, 1);
    assert.deepEqual(client.errors, []);
  });

  test(`a no to the question fails the call that needs more, and no other (${sdk.name})`, BOUNDED, async () => {
    await using world = await World.start();
    const { servers, person } = world;
    const { client } = await world.signIn(sdk);
    person.agrees = false;
    await Promise.all([
      assert.rejects(answers(client, 'write'), failure('consent_denied')),
      answers(client, 'echo'),
      answers(client, 'echo'),
    ]);
    assert.equal(person.questions.length, 1);
    assert.equal(person.pages.length, 0);
    assert.equal((await servers.events('token')).length, 1);
    await answers(client, 'echo');

    person.agrees = true;
    await answers(client, 'write');
    assert.equal(person.questions.length, 2);
    assert.equal(person.pages.length, 1);
  });

  test(
    `a no on the server's page fails the call that needs more, and nothing is lost (${sdk.name})`,
    BOUNDED,
    async () => {
      await using world = await World.start();
      const { servers, person } = world;
      const { session, client } = await world.signIn(sdk);
      person.declines = true;
      await assert.rejects(answers(client, 'write'), failure('authorization_denied'));
      assert.equal(person.questions.length, 1);
      assert.equal(person.pages.length, 1);
      assert.equal((await servers.events('token')).length, 1);
      const { grantedScopes, pending } = await session.connectionState();
      assert.deepEqual([grantedScopes, pending], [['mcp:read'], 0]);
      await servers.expire();
      await answers(client, 'echo');
      assert.equal((await servers.tokenRequests('refresh_token')).length, 1);
      assert.equal(person.pages.length, 1);

      person.declines = false;
      await answers(client, 'write');
      assert.deepEqual((await servers.lastLetIn()).scopes, BOTH);
      assert.equal(person.pages.length, 2);
    },
  );

  test(`from nothing to a tool that needs more takes two pages (${sdk.name})`, BOUNDED, async () => {
    await using world = await World.start();
    const { servers, person } = world;
    const { client } = await world.connect(sdk);
    await answers(client, 'write');
    assert.equal(person.pages.length, 2);
    assert.deepEqual(person.saw(), ['Sign-in', 'Authorize', 'Authorize']);
    assert.deepEqual((await servers.lastLetIn()).scopes, BOTH);
    assert.equal((await servers.events('registration')).length, 1);
  });
}
