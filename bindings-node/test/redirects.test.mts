/** Redirects of requests to the MCP server, and responses from other addresses. */

import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { describe, test } from 'node:test';

import type { Fetch } from 'mcp-reauth';

import { failure } from './support/adversary.mjs';
import { SDKS } from './support/clients.mjs';
import { call } from './support/messages.mjs';
import { type Served, serve, signedInTo, TOKEN } from './support/signed-in.mjs';

const LIMIT = { timeout: 20_000 };

/** A received request: method and path, whether it has a token, MCP session and message. */
interface Seen {
  at: string;
  token: boolean;
  session: string | undefined;
  body: string;
}

async function seen(request: IncomingMessage): Promise<Seen> {
  const body = Buffer.concat(await request.toArray()).toString();
  const { authorization, 'mcp-session-id': session } = request.headers;
  return {
    at: `${request.method} ${request.url}`,
    token: authorization === `Bearer ${TOKEN}`,
    session: session as string | undefined,
    body,
  };
}

const ANSWER = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'own' }] } });

/** A server at another origin, which answers every request. */
async function elsewhere(): Promise<Served & { requests: Seen[] }> {
  const requests: Seen[] = [];
  const served = await serve(async (request, response) => {
    requests.push(await seen(request));
    response.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER.replace('own', 'foreign'));
  });
  return Object.assign(served, { requests });
}

/** A server that redirects `/mcp` to what `to` returns, and answers every other path. */
async function redirecting(status: number, to: () => string | undefined): Promise<Served & { requests: Seen[] }> {
  const requests: Seen[] = [];
  const served = await serve(async (request, response) => {
    requests.push(await seen(request));
    const location = to();
    if (request.url?.startsWith('/mcp') && location !== undefined) {
      response.writeHead(status, { ...(location !== '' && { location }) }).end();
    } else {
      response.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER);
    }
  });
  return Object.assign(served, { requests });
}

const KINDS: Record<string, Fetch | undefined> = {
  'the global fetch': undefined,
  "a fetch of one's own": (input, init) => fetch(input, init),
};

/** A call within an MCP session. */
function within(): RequestInit {
  const message = call('echo');
  return { ...message, headers: { ...message.headers, 'mcp-session-id': 'session-1' } };
}

for (const [kind, own] of Object.entries(KINDS)) {
  describe(`by ${kind}, a redirect`, LIMIT, () => {
    for (const status of [301, 302, 303, 307, 308]) {
      test(`to another origin (${status}) is not followed: nothing gets there, and its answer is not read`, async () => {
        await using other = await elsewhere();
        await using server = await redirecting(status, () => `${other.origin}/mcp?code=secret`);
        await using session = await signedInTo(`${server.origin}/mcp`, { fetch: own });
        for (const init of [within(), { method: 'GET' }, { method: 'DELETE' }]) {
          const error = await failure(() => session.fetch(session.serverUrl, init));
          assert.equal(error.code, 'http');
          assert.match(error.message, /redirects to http:\/\/127\.0\.0\.1:\d+\/mcp, which is not followed/);
          assert.doesNotMatch(`${error.message}${error.sentence}`, /secret/);
        }
        assert.deepEqual(other.requests, []);
      });
    }

    for (const status of [307, 308]) {
      test(`within the origin (${status}) is followed with method, body and credential`, async () => {
        await using server = await redirecting(status, () => '/v2');
        await using session = await signedInTo(`${server.origin}/mcp`, { fetch: own });
        const response = await session.fetch(session.serverUrl, within());
        assert.match(await response.text(), /own/);
        const body = within().body as string;
        assert.deepEqual(server.requests, [
          { at: 'POST /mcp', token: true, session: 'session-1', body },
          { at: 'POST /v2', token: true, session: 'session-1', body },
        ]);
      });
    }

    for (const status of [301, 302, 303]) {
      test(`within the origin (${status}), which changes the method, is not followed`, async () => {
        await using server = await redirecting(status, () => '/v2');
        await using session = await signedInTo(`${server.origin}/mcp`, { fetch: own });
        assert.equal((await failure(() => session.fetch(session.serverUrl, within()))).code, 'http');
        assert.equal(server.requests.length, 1);
      });
    }

    test('in a circle, to nowhere, to a user of the origin or to what is no address is not followed', async () => {
      let location = '/mcp';
      await using server = await redirecting(307, () => location);
      await using session = await signedInTo(`${server.origin}/mcp`, { fetch: own });
      assert.equal((await failure(() => session.fetch(session.serverUrl, within()))).code, 'http');
      assert.equal(server.requests.length, 6);
      server.requests.length = 0;
      const { host } = new URL(server.origin);
      for (location of ['', 'http://[', `http://user:password@${host}/v2`, 'data:,x', 'file:///etc/passwd']) {
        const error = await failure(() => session.fetch(session.serverUrl, within()), location);
        assert.equal(error.code, 'http', location);
        assert.doesNotMatch(error.message, /password@/);
      }
      assert.equal(server.requests.length, 5);
    });

    test('is not followed with a body that is a stream', async () => {
      await using server = await redirecting(307, () => '/v2');
      await using session = await signedInTo(`${server.origin}/mcp`, { fetch: own });
      const body = new Blob(['{}']).stream();
      const init = { method: 'POST', body, duplex: 'half' } as unknown as RequestInit;
      assert.equal((await failure(() => session.fetch(session.serverUrl, init))).code, 'http');
      assert.equal(server.requests.length, 1);
    });

    test("is the caller's with redirect: 'manual', and an error with redirect: 'error'", async () => {
      await using server = await redirecting(307, () => '/v2');
      await using session = await signedInTo(`${server.origin}/mcp`, { fetch: own });
      for (const input of [session.serverUrl, new Request(session.serverUrl, { method: 'POST', redirect: 'manual' })]) {
        const init: RequestInit = input instanceof Request ? {} : { ...within(), redirect: 'manual' };
        const response = await session.fetch(input, init);
        assert.deepEqual([response.status, response.headers.get('location')], [307, '/v2']);
        await response.body?.cancel();
      }
      await assert.rejects(session.fetch(session.serverUrl, { ...within(), redirect: 'error' }));
      assert.equal(server.requests.length, 3);
      // A caller that follows redirects itself sends the credential again, only within the origin.
      await session.fetch(`${server.origin}/v2`, { ...within(), redirect: 'manual' });
      await session.fetch(`${server.origin}/v3`, { ...within(), redirect: 'manual' });
      assert.deepEqual(
        server.requests.slice(3).map(({ at, token }) => [at, token]),
        [
          ['POST /v2', true],
          ['POST /v3', false],
        ],
      );
    });
  });
}

test('the response of a fetch that follows redirects on its own is discarded', LIMIT, async () => {
  await using other = await elsewhere();
  await using server = await redirecting(307, () => `${other.origin}/mcp`);
  const follows: Fetch = (input, init) => fetch(input, { ...init, redirect: 'follow' });
  await using session = await signedInTo(`${server.origin}/mcp`, { fetch: follows });
  const error = await failure(() => session.fetch(session.serverUrl, within()));
  assert.equal(error.code, 'http');
  assert.match(error.message, /followed a redirect/);
  assert.doesNotMatch(error.message, /foreign/);
});

test('so is one that does not say so, and its body is let go of', LIMIT, async () => {
  for (const status of [200, 401, 403]) {
    let cancelled = 0;
    const body = () => new ReadableStream({ cancel: () => void cancelled++ });
    const headers = { 'content-type': 'application/json', 'www-authenticate': 'Bearer error="invalid_token"' };
    const forge = (url: string, redirected: boolean): Fetch => {
      const response = new Response(body(), { status, headers });
      Object.defineProperties(response, { url: { value: url }, redirected: { value: redirected } });
      return async () => response;
    };
    const serverUrl = 'http://127.0.0.1:9/mcp';
    for (const [url, redirected] of [
      ['https://elsewhere.example/mcp', false],
      ['http://127.0.0.1:9/other', true],
      ['', true],
    ] as const) {
      await using session = await signedInTo(serverUrl, { fetch: forge(url, redirected) });
      assert.equal((await failure(() => session.fetch(serverUrl, within()), url)).code, 'http');
    }
    assert.equal(cancelled, 3);
  }
});

test('a challenge from elsewhere is not recovered from, whichever way it is handed in', LIMIT, async () => {
  await using session = await signedInTo('http://127.0.0.1:9/mcp');
  const response = new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer' } });
  Object.defineProperty(response, 'url', { value: 'https://elsewhere.example/mcp' });
  assert.equal((await failure(() => session.request().recover(response))).code, 'http');
  assert.equal((await failure(() => session.authProvider.onUnauthorized({ response }))).code, 'http');
});

/** A server that has moved to `to`, with the minimum of the older wire. */
async function moved(to: (origin: string) => string): Promise<Served & { requests: Seen[] }> {
  const requests: Seen[] = [];
  const served: Served = await serve(async (request, response) => {
    const one = await seen(request);
    requests.push(one);
    if (request.url === '/mcp') {
      response.writeHead(307, { location: to(served.origin) }).end();
      return;
    }
    const { id, method } = JSON.parse(one.body || '{}');
    if (id === undefined || request.method !== 'POST') {
      response.writeHead(request.method === 'POST' ? 202 : 405).end();
      return;
    }
    const results: Record<string, object> = {
      initialize: {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'x', version: '1' },
      },
      'tools/call': { content: [{ type: 'text', text: 'own' }] },
    };
    const headers = { 'content-type': 'application/json', 'mcp-session-id': 'session-1' };
    response.writeHead(200, headers).end(JSON.stringify({ jsonrpc: '2.0', id, result: results[method] ?? {} }));
  });
  return Object.assign(served, { requests });
}

for (const sdk of SDKS.slice(1)) {
  test(`${sdk.name} goes on where a server moved within its origin, with the credential`, LIMIT, async () => {
    await using server = await moved(() => '/v2');
    await using session = await signedInTo(`${server.origin}/mcp`);
    const client = await sdk.connect(session.serverUrl, session.fetch);
    const { content } = await client.callTool({ name: 'echo' });
    assert.equal(content[0]?.text, 'own');
    await client.close();
    assert.ok(server.requests.every(({ token }) => token));
    assert.ok(server.requests.some(({ at }) => at === 'POST /v2'));
  });

  test(`${sdk.name} fails where a server moved elsewhere, and nothing gets there`, LIMIT, async () => {
    await using other = await elsewhere();
    await using server = await moved(() => `${other.origin}/mcp`);
    await using session = await signedInTo(`${server.origin}/mcp`);
    await assert.rejects(sdk.connect(session.serverUrl, session.fetch), (error: Error) =>
      /not followed/.test(error.message),
    );
    assert.deepEqual(other.requests, []);
  });
}
