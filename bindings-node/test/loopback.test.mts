/** `loopbackHost()`: the redirect URI. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { type AuthHost, AuthSession, loopbackHost } from 'mcp-reauth';

import { Fixture } from './support/fixture.mjs';
import { freePort } from './support/ports.mjs';

const LIMIT = { timeout: 20_000 };

let fixture: Fixture;
let redirectUri: string;

beforeEach(async () => {
  fixture = await Fixture.start();
  redirectUri = `http://127.0.0.1:${await freePort()}/oauth/callback`;
});

afterEach(() => fixture[Symbol.asyncDispose]());

/** A host whose user agrees to everything, in a simulated browser. */
function visiting(at = redirectUri): AuthHost {
  const loopback = loopbackHost({ redirectUri: at, openBrowser: false });
  return {
    ...loopback,
    async authorize(request, context) {
      const [callback] = await Promise.all([loopback.authorize(request, context), arrives(request.url)]);
      return callback;
    },
  };
}

/** Visits a page once a listener waits for its callback. */
async function arrives(url: string): Promise<void> {
  const page = await fetch(url, { redirect: 'manual' });
  const callback = page.headers.get('location') ?? '';
  for (;;) {
    const shown = await fetch(callback).catch(() => undefined);
    if (shown?.ok) return;
    await new Promise(setImmediate);
  }
}

test('several sessions that sign in at once take turns at one address', LIMIT, async () => {
  const hosts = [visiting(), visiting(), visiting()];
  const profiles = hosts.map((host, i) =>
    AuthSession.open({ serverUrl: fixture.mcpUrl, host, profile: `person ${i}` }),
  );
  const sessions = await Promise.all(profiles);
  const outcomes = await Promise.all(sessions.map((session) => session.signIn()));
  assert.deepEqual(
    outcomes,
    outcomes.map(() => ({ kind: 'satisfied' })),
  );
  for (const session of sessions) await session.close();
});

test('a sign-in that fails before its page is shown leaves the address to the next', LIMIT, async () => {
  const host = visiting();
  const first = await AuthSession.open({ serverUrl: fixture.mcpUrl, host, dpop: 'always' });
  assert.equal((await first.signIn()).kind, 'failed');
  await first.close();
  await using second = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: visiting() });
  assert.deepEqual(await second.signIn(), { kind: 'satisfied' });
});

test('any free port will do', LIMIT, async () => {
  const host = visiting('http://127.0.0.1:0/oauth/callback');
  await using session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host });
  assert.deepEqual(await session.signIn(), { kind: 'satisfied' });
});

test('an address that is taken is told of, once', LIMIT, async () => {
  const host = loopbackHost({ redirectUri: fixture.mcpUrl });
  await using session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host });
  const outcome = await session.signIn();
  assert.equal(outcome.kind, 'failed');
  const message = outcome.kind === 'failed' ? outcome.error.message : '';
  assert.match(message, /^The application reported an error: the callback address \S+ cannot be used/);
});

test('an address that is not of this machine is refused', () => {
  for (const redirectUri of ['https://app.example/callback', 'http://10.0.0.1/cb', 'http://127.0.0.1.evil.example/']) {
    assert.throws(() => loopbackHost({ redirectUri }), { code: 'config', message: /redirectUri must be http on this/ });
  }
});

test('where callbacks come is said in one place', LIMIT, async () => {
  const opened = AuthSession.open({ serverUrl: fixture.mcpUrl, redirectUri, host: loopbackHost() });
  await assert.rejects(opened, { code: 'config', message: /redirectUri is set in the options and by host/ });
});
