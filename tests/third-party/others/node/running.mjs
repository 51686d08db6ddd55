// Code for all Node servers: they listen on loopback, print their addresses, accept instructions, and exit when
// standard input ends.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

export const [READ, WRITE] = ['mcp:read', 'mcp:write'];
export const BOTH = [READ, WRITE];

export const settings = JSON.parse(process.argv[2]);

/** Listens, and returns the origin. */
export async function serve(handle) {
  const server = createServer(handle).listen(0, '127.0.0.1');
  server.keepAliveTimeout = 0;
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

/** Prints the servers' addresses, and runs an action for each instruction. */
export async function report(servers, actions) {
  const control = await serve(async (request, response) => {
    const action = actions[request.url.slice(1)];
    await action?.();
    response.writeHead(action ? 204 : 404).end();
  });
  process.stdin.on('end', () => process.exit()).resume();
  console.log(JSON.stringify({ ...servers, control }));
}

/** The name and version of a package. */
export function packageVersion(name) {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return `${name} ${JSON.parse(readFileSync(file)).version}`;
}

/** Whether a JSON-RPC request calls the tool that needs more scope. */
export function callsWrite(body) {
  return body?.method === 'tools/call' && body.params?.name === 'write';
}
