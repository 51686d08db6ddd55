/** A call that is answered with an HTTP error fails, whatever its body is: a client never waits forever. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { parseAuthChallengeFromResponse } from 'mcp-reauth';

import { failure, within } from './support/adversary.mjs';
import { SDKS } from './support/clients.mjs';
import { call } from './support/messages.mjs';
import { serve, signedInTo } from './support/signed-in.mjs';

const LIMIT = { timeout: 20_000 };

const error = { code: -32_000, message: 'x' };
const BODIES: Record<string, string> = {
  'an error whose id is null': JSON.stringify({ jsonrpc: '2.0', id: null, error }),
  'an error without an id': JSON.stringify({ jsonrpc: '2.0', error }),
  'an error with the id of another': JSON.stringify({ jsonrpc: '2.0', id: 'another', error }),
  'an error with an id that is no id': JSON.stringify({ jsonrpc: '2.0', id: { a: 1 }, error }),
  'a list of them': JSON.stringify([{ jsonrpc: '2.0', id: null, error }]),
  'an empty list': '[]',
  'a result': JSON.stringify({ jsonrpc: '2.0', id: null, result: {} }),
  'a notification': JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message' }),
  'a number': '5',
  null: 'null',
  'what is no JSON': '<html>',
  'bytes that are not UTF-8': '\xff\xfe',
  'a part of JSON': '{"jsonrpc":"2.0","id":',
  nothing: '',
};
const TYPES = ['application/json', 'application/json; charset=utf-8', 'text/event-stream', 'text/html', undefined];

for (const sdk of SDKS) {
  describe(sdk.name, LIMIT, () => {
    for (const status of [400, 404, 422, 500, 503]) {
      test(`a tool call that is answered ${status} fails`, async () => {
        let body = '';
        let type: string | undefined;
        await using server = await serve(async (request, response) => {
          const sent = Buffer.concat(await request.toArray()).toString();
          const { id, method } = JSON.parse(sent || '{}');
          if (id === undefined || request.method !== 'POST') {
            response.writeHead(request.method === 'POST' ? 202 : 405).end();
          } else if (method === 'tools/call') {
            const written = type === 'text/event-stream' && body !== '' ? `data: ${body}\n\n` : body;
            response.writeHead(status, type === undefined ? {} : { 'content-type': type }).end(written, 'latin1');
          } else {
            const [version] = [JSON.parse(sent).params?.protocolVersion ?? '2026-07-28'];
            const about = { capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } };
            const result = {
              ...about,
              protocolVersion: version,
              supportedVersions: ['2026-07-28'],
              resultType: 'complete',
            };
            const headers = { 'content-type': 'application/json' };
            response.writeHead(200, headers).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
          }
        });
        await using session = await signedInTo(`${server.origin}/mcp`);
        const client = await sdk.connect(session.serverUrl, session.fetch);
        for (const [kind, text] of Object.entries(BODIES)) {
          for (type of TYPES) {
            body = text;
            const call = client.callTool({ name: 'echo' }).then(
              () => 'is answered',
              () => 'fails',
            );
            assert.equal(await within(call, `${kind} as ${type}`, 3_000), 'fails', `${kind} as ${type}`);
          }
        }
        await client.close();
      });
    }
  });
}

test('a byte that is no UTF-8 in one parameter of a challenge costs none of the others', LIMIT, async () => {
  const written = 'Bearer error="insufficient_scope", error_description="caf\xe9", scope="mcp:write"';
  await using server = await serve((request, response) => {
    request.resume();
    response.writeHead(403, { 'www-authenticate': written }).end();
  });
  for (const fetch of [
    undefined,
    (input: string | URL | Request, init?: RequestInit) => globalThis.fetch(input, init),
  ]) {
    const policy = { onInsufficientScope: 'throw' } as const;
    await using session = await signedInTo(`${server.origin}/mcp`, { policy, fetch });
    const { challenge } = await failure(() => session.fetch(session.serverUrl, call('echo')));
    assert.deepEqual([challenge?.requiredScopes, challenge?.message], [['mcp:write'], 'caf\u00e9']);
  }
  const response = { status: 403, headers: { 'www-authenticate': written } };
  assert.deepEqual(parseAuthChallengeFromResponse(response)?.requiredScopes, ['mcp:write']);
  assert.deepEqual(parseAuthChallengeFromResponse(await fetch(server.origin))?.requiredScopes, ['mcp:write']);
});
