/** The ways in which a callback can arrive, with a third-party server. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type AuthHost, type AuthorizationRequest, loopbackHost } from 'mcp-reauth';

import { MODERN } from './support/clients.mjs';
import { answers, failure, World } from './support/world.mjs';

const BOUNDED = { timeout: 60_000 };

test('a callback that arrives after a restart finishes the sign-in, once', BOUNDED, async () => {
  await using world = await World.start();
  const { servers, person } = world;
  const requests: AuthorizationRequest[] = [];
  const host: AuthHost = {
    redirectUri: person.redirectUri,
    confirmStepUp: () => true,
    authorize: (request) => void requests.push(request),
  };
  const before = await world.session({ host });
  await assert.rejects(world.connectThrough(before, MODERN), failure('interaction_required'));
  assert.equal((await before.connectionState()).pending, 1);
  await before.close();

  const [request, ...others] = requests;
  assert.ok(request);
  assert.deepEqual(others, []);
  const callback = await person.authorize(request);
  const session = await world.session({ host });
  await session.completeAuthorization(callback);
  await answers(await world.connectThrough(session, MODERN), 'echo');
  assert.equal(requests.length, 1);
  assert.equal((await servers.events('token')).length, 1);
  assert.equal((await session.connectionState()).pending, 0);

  await assert.rejects(session.completeAuthorization(callback), failure('state_mismatch'));
  assert.equal((await servers.events('token')).length, 1);
});

test('a callback of a sign-in that was declined is an error that says so', BOUNDED, async () => {
  await using world = await World.start();
  const { servers, person } = world;
  person.declines = true;
  const requests: AuthorizationRequest[] = [];
  const host: AuthHost = {
    redirectUri: person.redirectUri,
    confirmStepUp: () => true,
    authorize: (request) => void requests.push(request),
  };
  const session = await world.session({ host });
  await assert.rejects(world.connectThrough(session, MODERN), failure('interaction_required'));
  const callback = await person.authorize(requests[0] as AuthorizationRequest);
  assert.equal(callback.searchParams.get('error'), 'access_denied');
  await assert.rejects(session.completeAuthorization(callback), failure('authorization_denied'));
  assert.equal((await session.connectionState()).pending, 0);
  assert.deepEqual(await servers.events('token'), []);
});

test('callbacks are received on loopback, at any free port', BOUNDED, async () => {
  await using world = await World.start();
  const { servers, person } = world;
  const loopback = loopbackHost({ redirectUri: 'http://127.0.0.1:0/oauth/callback', openBrowser: false });
  const shown: number[] = [];
  const host: AuthHost = {
    ...loopback,
    async authorize(request, context) {
      const visit = async () => {
        const page = await fetch(await person.authorize(request));
        shown.push(page.status);
        await page.text();
      };
      const [callback] = await Promise.all([loopback.authorize(request, context), visit()]);
      return callback;
    },
  };
  const { client } = await world.connect(MODERN, { host });
  await answers(client, 'echo');
  assert.deepEqual(shown, [200]);
  assert.notEqual(new URL(person.pages[0]?.redirectUri ?? '').port, '0');
  assert.equal((await servers.events('token')).length, 1);
});
