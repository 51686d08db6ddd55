/**
 * Has a server answer without end, and prints as JSON whether the call failed, and by how many bytes the process grew.
 * Its argument is the version of the SDK, 1 or 2.
 */

import type { ServerResponse } from 'node:http';

import { SDKS } from '../support/clients.mjs';
import { drained, serve, signedInTo } from '../support/signed-in.mjs';

/** How much a server sends at most: more than the client waits for. */
const MOST = 600 * 1024 * 1024;
const PIECE = Buffer.alloc(1024 * 1024, 'x');

const sdk = SDKS[process.argv[2] === '1' ? 2 : 1];
if (!sdk) throw new Error('there is no such SDK');

let answer: 'answer' | 'event' | 'listing' | undefined;

async function swamp(response: ServerResponse, type: string, before: string): Promise<void> {
  response.writeHead(200, { 'content-type': type }).write(before);
  for (let sent = 0; sent < MOST && !response.destroyed; sent += PIECE.length) {
    if (!response.write(PIECE)) await drained(response);
  }
  response.end();
}

await using server = await serve(async (request, response) => {
  const body = Buffer.concat(await request.toArray()).toString();
  const { id, method } = JSON.parse(body || '{}');
  if (id === undefined || request.method !== 'POST') {
    response.writeHead(request.method === 'POST' ? 202 : 405).end();
  } else if (method !== 'initialize') {
    await (answer === 'event'
      ? swamp(response, 'text/event-stream', 'data: ')
      : swamp(response, 'application/json', '{"a":"'));
  } else {
    const serverInfo = { name: 'x', version: '1' };
    const result = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo };
    const headers = { 'content-type': 'application/json' };
    response.writeHead(200, headers).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  }
});

await using session = await signedInTo(`${server.origin}/mcp`);
const client = await sdk.connect(session.serverUrl, session.fetch);
const before = process.memoryUsage().rss;
let peak = 0;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().rss - before);
}, 20);
const failed: Record<string, boolean> = {};
for (answer of ['answer', 'event', 'listing'] as const) {
  const call = answer === 'listing' ? client.listTools() : client.callTool({ name: 'echo' });
  failed[answer] = await call.then(
    () => false,
    () => true,
  );
}
clearInterval(watch);
await client.close();
console.log(JSON.stringify({ failed, peak }));
