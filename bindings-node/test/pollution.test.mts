/** Options come only from the application's object, and not from a polluted `Object.prototype`. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  AuthSession,
  type AuthSessionOptions,
  authChallengeFromError,
  loopbackHost,
  parseAuthChallengeFromResponse,
  ReauthError,
} from 'mcp-reauth';

import { failure } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { call } from './support/messages.mjs';
import { Person } from './support/person.mjs';
import { MapStore } from './support/stores.mjs';

const LIMIT = { timeout: 60_000 };

/** Runs `work` while `Object.prototype` has these members. */
async function polluted<T>(members: Record<string, unknown>, work: () => Promise<T> | T): Promise<T> {
  const prototype = Object.prototype as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(prototype, name, { value, configurable: true, enumerable: true, writable: true });
  }
  try {
    return await work();
  } finally {
    for (const name of Object.keys(members)) delete prototype[name];
  }
}

/** Values that would show if they were used as options. */
const fails = () => assert.fail('it was taken as an option');
const CREDENTIALS = { assertion: fails, secret: 5, key: 5, issuer: 5, atAnyIssuer: 5 };
const OPTIONS: Record<keyof AuthSessionOptions, unknown> = {
  serverUrl: 'https://elsewhere.example/mcp',
  clientName: 5,
  credentials: { kind: 'enterprise', identityProvider: { issuer: 'https://idp.example', clientId: 'x' } },
  clientMetadataUrl: 'http://elsewhere.example/client',
  scopes: 5,
  profile: 5,
  policy: { interaction: false },
  dpop: 'never',
  dpopKey: 'no key',
  sendResource: 5,
  pushRequests: 5,
  consentPrompt: 5,
  allowEndpoints: 5,
  redirectUri: 'no address',
  store: { load: fails, save: fails },
  host: { confirmStepUp: fails, authorize: fails, redirectUri: fails },
  fetch: fails,
  egress: 5,
};

test('no option is taken from what all objects inherit', LIMIT, async () => {
  await using fixture = await Fixture.start();
  for (const [name, value] of Object.entries(OPTIONS)) {
    await polluted({ [name]: value }, async () => {
      if (name === 'serverUrl') {
        assert.match((await failure(() => AuthSession.open({} as never))).message, /serverUrl is missing/);
        return;
      }
      const session = await AuthSession.open({ serverUrl: fixture.mcpUrl });
      assert.equal(session.identityProvider, undefined, name);
      // The global `fetch` itself reads an option of this name from `Object.prototype`.
      if (name !== 'credentials') {
        const { code } = await failure(() => session.fetch(fixture.mcpUrl, call('echo')));
        assert.equal(code, 'interaction_required', name);
      }
      await session.close();
    });
  }
});

test(
  'nor is a policy, an option of a method, a part of an identity provider or one of a loopback host',
  LIMIT,
  async () => {
    await using fixture = await Fixture.start();
    const host = new Person();
    const names = [
      'onInsufficientScope',
      'maxStepUpRetries',
      'confirmEnterpriseStepUp',
      'interaction',
      'refreshAheadMs',
    ];
    const others = ['interactionTimeoutMs', 'trigger', 'failed', 'operation', 'scopes', 'again'];
    const members = Object.fromEntries(
      [...names, ...others, 'confirmedStepUp', 'openBrowser'].map((name) => [name, {}]),
    );
    await polluted({ ...members, ...CREDENTIALS, enabled: false, clientSecret: 5, assumeYes: 5 }, async () => {
      await using session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host, policy: {} });
      assert.deepEqual(await session.signIn(), { kind: 'satisfied' });
      assert.equal(await session.request().recover({ status: 200, headers: {} }), false);
      loopbackHost({});
      const identityProvider = { issuer: 'https://idp.example', clientId: 'x' };
      await using other = await AuthSession.open({
        serverUrl: fixture.mcpUrl,
        credentials: { kind: 'enterprise', identityProvider, client: { id: 'x' } },
        policy: { interaction: false },
      });
      const { code } = await failure(() => other.fetch(fixture.mcpUrl, call('echo')));
      assert.equal(code, 'interaction_required');
    });
  },
);

test('nor is a part of a host, a store, a record, a lease or a callback', LIMIT, async () => {
  await using fixture = await Fixture.start();
  const serverUrl = fixture.mcpUrl;
  await polluted({ confirmStepUp: fails, authorize: fails, load: fails, save: fails, delete: fails }, async () => {
    for (const options of [{ host: {} }, { store: {} }]) {
      assert.equal((await failure(() => AuthSession.open({ serverUrl, ...options } as never))).code, 'config');
    }
  });
  await polluted(
    {
      version: 1,
      data: '{}',
      tryLease: fails,
      renewLease: fails,
      releaseLease: fails,
      place: 5,
      code: 'x',
      state: 'y',
    },
    async () => {
      const store = new MapStore();
      await using session = await AuthSession.open({ serverUrl, store, host: new Person() });
      assert.deepEqual(await session.signIn(), { kind: 'satisfied' });
      await fixture.expire();
      const response = await session.fetch(serverUrl, call('echo'));
      assert.equal(response.status, 200);
      assert.equal((await failure(() => session.completeAuthorization({} as never))).code, 'config');
      const empty = { load: () => ({}), save: () => 1, delete: () => true };
      assert.equal((await failure(() => AuthSession.open({ serverUrl, store: empty as never }))).code, 'store');
    },
  );
});

test('nor is a challenge found in what all objects inherit, nor a detail of an error', LIMIT, async () => {
  const challenge = { reason: 'insufficient_scope', requiredScopes: ['x'] };
  const members = { challenge, authChallenge: challenge, status: 401, code: 401, wwwAuthenticate: 'Bearer', cause: {} };
  await polluted({ ...members, authorizationUrl: 'https://elsewhere.example', retryAfter: 5 }, () => {
    for (const error of [new Error('x'), {}, { data: {}, response: {} }]) {
      assert.equal(authChallengeFromError(error), undefined);
    }
    assert.throws(() => parseAuthChallengeFromResponse({ headers: {} }), { code: 'config' });
    const error = new ReauthError('http', 'x');
    assert.deepEqual([Object.hasOwn(error, 'authorizationUrl'), Object.hasOwn(error, 'retryAfter')], [false, false]);
    assert.equal(Object.hasOwn(error, 'cause'), false);
  });
});

test('options may be of a class, or without a prototype', LIMIT, async () => {
  class Base {
    get serverUrl() {
      return 'https://mcp.example.com/mcp';
    }
  }
  class Settings extends Base {
    profile = 'a field';
    get clientName() {
      return 'an accessor';
    }
  }
  const bare = Object.assign(Object.create(null), { serverUrl: 'https://mcp.example.com/mcp' });
  for (const options of [new Settings(), bare, Object.create(bare)]) {
    await using session = await AuthSession.open(options as AuthSessionOptions);
    assert.equal(session.serverUrl, 'https://mcp.example.com/mcp');
  }
});
