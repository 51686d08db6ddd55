/** Both major versions of the official SDK, on a session. */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { AuthSession, type AuthSessionOptions, authChallengeFromError, FileStore, ReauthError } from 'mcp-reauth';

import { connect, MODERN, SDKS, succeeds } from './support/clients.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person, visit } from './support/person.mjs';

const LIMIT = { timeout: 30_000 };
const INFO = { name: 'test', version: '1' };

let fixture: Fixture;
let person: Person;
let folder: string;

const open = (options: Partial<AuthSessionOptions> = {}) =>
  AuthSession.open({ serverUrl: fixture.mcpUrl, host: person, ...options });

beforeEach(async () => {
  fixture = await Fixture.start();
  person = new Person();
  folder = await mkdtemp(join(tmpdir(), 'sdk-'));
});

afterEach(async () => {
  await fixture[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

for (const sdk of SDKS) {
  describe(sdk.name, LIMIT, () => {
    test('ten tools that need more scope at once take one question and one page', async () => {
      await using session = await open();
      const client = await connect(sdk, fixture, session.fetch);
      person.reset();
      await Promise.all(Array.from({ length: 10 }, () => succeeds(client, 'write_note')));
      assert.deepEqual([person.questions.length, person.pages.length], [1, 1]);
      await client.close();
    });

    test('resources and prompts need scopes as well', async () => {
      await using session = await open();
      const client = await connect(sdk, fixture, session.fetch);
      await client.readResource('note://secret');
      await client.getPrompt('brief');
      const contexts = person.questions.map(({ challenge }) => challenge.context);
      assert.deepEqual(contexts, [
        { method: 'resources/read', resourceUri: 'note://secret' },
        { method: 'prompts/get', promptName: 'brief' },
      ]);
      await client.close();
    });

    test('credentials from elsewhere are used at once, and the connection stays', async () => {
      await using first = await open();
      await using second = await open();
      const client = await connect(sdk, fixture, first.fetch);
      const mcpSession = client.sessionId;
      await fixture.control('POST', '/revoke');
      assert.deepEqual(await second.signIn(), { kind: 'satisfied' });
      await first.setAuthState((await second.authState()) as object);
      await fixture.resetCounters();
      person.reset();
      await succeeds(client, 'echo');
      assert.equal(await fixture.clientRequests(), 1);
      assert.equal(client.sessionId, mcpSession);
      await client.close();
    });

    test('a person who takes 70 s holds nobody up, and the late consent is not lost', async () => {
      await using session = await open();
      const client = await connect(sdk, fixture, session.fetch);
      let answer = (_: boolean) => {};
      const answered = new Promise<boolean>((resolve) => {
        answer = resolve;
      });
      const asked = new Promise<void>((resolve) => {
        person.confirmStepUp = async (request) => {
          person.questions.push(request);
          resolve();
          return answered;
        };
      });
      mock.timers.enable({ apis: ['setTimeout'] });
      try {
        const call = client.callTool({ name: 'write_note', arguments: {} });
        const ended = assert.rejects(call, /timed out/i);
        await asked;
        await succeeds(client, 'echo');
        mock.timers.tick(60_001);
        await ended;
        await succeeds(client, 'echo');
        mock.timers.tick(10_000);
      } finally {
        mock.timers.reset();
      }
      const before = (await fixture.counters()).mcp_post;
      const authorized = once(session, 'authorized');
      answer(true);
      await authorized;
      assert.equal((await fixture.counters()).mcp_post, before, 'the call that timed out is not sent again');
      await succeeds(client, 'write_note');
      assert.equal(person.questions.length, 1);
      await client.close();
    });

    test('an error of the session is what a failed call is rejected with', async () => {
      await using session = await open({ policy: { onInsufficientScope: 'throw' } });
      const client = await connect(sdk, fixture, session.fetch);
      await assert.rejects(succeeds(client, 'write_note'), (error) => {
        assert.ok(error instanceof ReauthError, String(error));
        assert.deepEqual(authChallengeFromError(error)?.requiredScopes, ['mcp:read', 'mcp:write']);
        return true;
      });
      await client.close();
    });

    test('a challenge is found in what the SDK makes of a rejection itself', async () => {
      const rejected = await sdk.connect(fixture.mcpUrl, fetch).then(undefined, (error) => error);
      assert.equal(authChallengeFromError(rejected)?.reason, 'token_expired', String(rejected));
      assert.equal(
        authChallengeFromError(new AggregateError([new Error('x', { cause: rejected })]))?.reason,
        'token_expired',
      );

      await using session = await open();
      const client = await connect(sdk, fixture, session.fetch);
      await fixture.control('PATCH', '/faults', { plain_403: true });
      const refused = await succeeds(client, 'echo').then(undefined, (error) => error);
      assert.equal(authChallengeFromError(refused)?.reason, 'unauthorized', String(refused));
      await client.close();
    });
  });
}

test('an error passes the SDK unwrapped while that negotiates a version', LIMIT, async () => {
  await using session = await open({ policy: { interaction: false } });
  for (const mode of ['auto', 'legacy', { pin: '2026-07-28' }] as const) {
    const client = new Client(INFO, { versionNegotiation: { mode } });
    const connecting = client.connect(
      new StreamableHTTPClientTransport(new URL(fixture.mcpUrl), { fetch: session.fetch }),
    );
    await assert.rejects(connecting, (error) => error instanceof ReauthError && error.code === 'interaction_required');
  }
});

test("the SDK's own errors tell their challenges", LIMIT, async () => {
  const { InsufficientScopeError, SdkHttpError, UnauthorizedError, SdkErrorCode } = await import(
    '@modelcontextprotocol/client'
  );
  const { StreamableHTTPError } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
  const { UnauthorizedError: Unauthorized1 } = await import('@modelcontextprotocol/sdk/client/auth.js');
  const { McpError } = await import('@modelcontextprotocol/sdk/types.js');
  const scopes = new InsufficientScopeError({
    requiredScope: 'a b',
    resourceMetadataUrl: new URL('https://mcp.example/.well-known/oauth-protected-resource'),
    errorDescription: 'say "please" \\ now',
  });
  const challenge = authChallengeFromError(new Error('outer', { cause: scopes }));
  assert.equal(challenge?.reason, 'insufficient_scope');
  assert.deepEqual(challenge?.requiredScopes, ['a', 'b']);
  assert.equal(challenge?.resourceMetadata, 'https://mcp.example/.well-known/oauth-protected-resource');
  assert.equal(challenge?.message, 'say "please" \\ now');
  const http = (status: number) => new SdkHttpError(SdkErrorCode.ClientHttpForbidden, 'no', { status, statusText: '' });
  assert.equal(authChallengeFromError(http(403))?.reason, 'unauthorized');
  assert.equal(authChallengeFromError(http(500)), undefined);
  assert.equal(authChallengeFromError(new UnauthorizedError())?.reason, 'token_expired');
  assert.equal(authChallengeFromError(new Unauthorized1())?.reason, 'token_expired');
  assert.equal(authChallengeFromError(new StreamableHTTPError(401, 'no'))?.reason, 'token_expired');
  assert.equal(authChallengeFromError(new StreamableHTTPError(404, 'no')), undefined);
  const data = { code: 'insufficient_scope', challenge };
  assert.deepEqual(authChallengeFromError(new McpError(-32_080, 'no', data)), challenge);
  assert.equal(authChallengeFromError(new McpError(-32602, 'no')), undefined);
});

test("the SDK's AuthProvider is served as well", LIMIT, async () => {
  await using session = await open();
  const transport = new StreamableHTTPClientTransport(new URL(fixture.mcpUrl), { authProvider: session.authProvider });
  const client = new Client(INFO);
  await client.connect(transport);
  assert.equal(person.pages.length, 1);
  await fixture.expire();
  await fixture.resetCounters();
  const calls = Array.from({ length: 10 }, () => client.callTool({ name: 'echo', arguments: { text: 'hello' } }));
  assert.equal((await Promise.all(calls)).length, 10);
  const { reuse_detected, authorize_visits } = await fixture.counters();
  assert.deepEqual({ reuse_detected, authorize_visits }, { reuse_detected: 0, authorize_visits: 0 });
  await client.close();
});

describe('processes', LIMIT, () => {
  const caller = fileURLToPath(new URL('./support/caller.mjs', import.meta.url));
  const store = () => join(folder, 'credentials.json');

  test('four of them on one file store, with one expired token, take one refresh', async () => {
    await using session = await open({ store: new FileStore(store()) });
    await session.signIn();
    const task = JSON.stringify({ url: fixture.mcpUrl, store: store(), calls: 10, waits: true });
    const processes = Array.from({ length: 4 }, () =>
      spawn(process.execPath, [caller, task], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    const outputs = processes.map(({ stdout }) => stdout[Symbol.asyncIterator]());
    for (const output of outputs) assert.match(String((await output.next()).value), /ready/);
    await fixture.expire();
    await fixture.resetCounters();
    for (const { stdin } of processes) stdin.end('\n');
    for (const output of outputs) {
      assert.deepEqual(JSON.parse(String((await output.next()).value)), { succeeded: 10, failed: [] });
    }
    const { token_refresh, reuse_detected } = await fixture.counters();
    assert.deepEqual({ token_refresh, reuse_detected }, { token_refresh: 1, reuse_detected: 0 });
  });

  test('one that is left for a page is finished by the next', async () => {
    const host = { redirectUri: 'http://127.0.0.1:9/oauth/callback', confirmStepUp: () => true, authorize: () => {} };
    const first = await open({ store: new FileStore(store()), host });
    const outcome = await first.signIn();
    assert.equal(outcome.kind, 'interactive');
    await first.close();
    const url = outcome.kind === 'interactive' ? outcome.authorizationUrl : undefined;
    const callback = await visit(url ?? '');
    const program = `
      const { AuthSession, FileStore } = require(${JSON.stringify(fileURLToPath(import.meta.resolve('mcp-reauth')).replace('.mjs', '.js'))});
      (async () => {
        const store = new FileStore(process.argv[2]);
        const session = await AuthSession.open({ serverUrl: process.argv[1], store });
        await session.completeAuthorization(process.argv[3]);
        console.log(JSON.stringify(await session.connectionState()));
        await session.close();
      })()`;
    const args = ['-e', program, fixture.mcpUrl, store(), callback.href];
    const stdout = await new Promise<string>((resolve, reject) =>
      execFile(process.execPath, args, (error, stdout) => (error ? reject(error) : resolve(stdout))),
    );
    assert.equal(JSON.parse(stdout).authorized, true);
    await using second = await open({ store: new FileStore(store()) });
    const client = await MODERN.connect(fixture.mcpUrl, second.fetch);
    await succeeds(client, 'echo');
    assert.equal(person.pages.length, 0);
    await client.close();
  });
});

describe('tokens that are bound to a key', LIMIT, () => {
  test('carry a proof each, take one more request for a nonce, and survive a restart', async () => {
    await using bound = await Fixture.start({ dpop: 'required', dpop_nonce: 'demanded' });
    const store = new FileStore(join(folder, 'bound.json'));
    const options = { serverUrl: bound.mcpUrl, host: person, store, dpop: 'always' as const };
    const first = await AuthSession.open(options);
    const client = await MODERN.connect(bound.mcpUrl, first.fetch);
    await succeeds(client, 'echo');
    assert.equal(first.authorization()?.needsProof, true);
    await bound.resetCounters();
    await succeeds(client, 'echo');
    assert.equal(await bound.clientRequests(), 1);
    await bound.control('POST', '/dpop/rotate-nonces');
    await succeeds(client, 'echo');
    const { dpop_nonce_challenges } = await bound.counters();
    assert.deepEqual([await bound.clientRequests(), dpop_nonce_challenges], [3, 1]);
    await assert.rejects(first.authProvider.token(), { code: 'config' });
    await client.close();
    await first.close();

    await using second = await AuthSession.open(options);
    const again = await MODERN.connect(bound.mcpUrl, second.fetch);
    await succeeds(again, 'echo');
    assert.equal(person.pages.length, 1);
    await again.close();
  });

  test('take a nonce from any answer', async () => {
    await using bound = await Fixture.start({ dpop: 'required' });
    await using first = await AuthSession.open({ serverUrl: bound.mcpUrl, host: person });
    await first.signIn();
    const nonces: unknown[] = [];
    const fetch = async (_: unknown, init: RequestInit = {}) => {
      const [, claims] = new Headers(init.headers).get('dpop')?.split('.') ?? [];
      nonces.push(JSON.parse(Buffer.from(claims ?? '', 'base64url').toString()).nonce);
      return new Response('{}', { headers: { 'dpop-nonce': `after-${nonces.length}` } });
    };
    await using second = await AuthSession.open({ serverUrl: bound.mcpUrl, fetch });
    await second.setAuthState((await first.authState()) as object);
    for (let i = 0; i < 3; i++) await second.fetch(bound.mcpUrl, { method: 'POST', body: '{}' });
    assert.deepEqual(nonces, [undefined, 'after-1', 'after-2']);
  });
});
