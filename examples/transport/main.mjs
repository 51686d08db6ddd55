/**
 * A custom transport: it sends and receives, and a request of the session says what to do. `session.fetch` does more:
 * it follows redirects, and inspects tool results and event streams.
 *
 *     node main.mjs https://mcp.example.com/mcp
 */

import { AuthSession, loopbackHost } from 'mcp-reauth';

const serverUrl = process.argv[2];
const session = await AuthSession.open({ serverUrl, clientName: 'Transport example', host: loopbackHost() });

/** Sends a message until there is a response for the caller. */
async function send(message) {
  const body = JSON.stringify(message);
  const request = session.request({ operation: body });
  for (;;) {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': message.method,
      ...(await request.authorize()),
    };
    const response = await fetch(serverUrl, { method: 'POST', headers, body, redirect: 'manual' });
    if (await request.recover(response)) {
      await response.body?.cancel();
      continue;
    }
    const text = await response.text();
    if (!response.ok) throw new Error(`the server answered ${response.status}: ${text}`);
    // The response is a message, or an event stream whose last event is the answer.
    const data = text.split('\n').findLast((line) => line.startsWith('data: '));
    return JSON.parse(data?.slice('data: '.length) ?? text);
  }
}

const _meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'Transport example', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const answer = await send({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta } });
for (const { name } of answer.result.tools) console.log(name);
await session.close();
