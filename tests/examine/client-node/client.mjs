// A client for `mcp-reauth examine`: an ordinary host on the public API with the official TypeScript SDK. It reads
// commands from standard input, starts each at once, and prints one line of JSON for each result.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const require = createRequire(new URL('../../../bindings-node/', import.meta.url));
const { AuthSession, FileStore, loopbackHost } = require('./dist/index.js');
const { Client, StreamableHTTPClientTransport } = require('@modelcontextprotocol/client');

const url = process.argv.at(-1);
const { MCP_CONFORMANCE_PROTOCOL_VERSION: version, MCP_REAUTH_EXAMINE_STORE: folder } = process.env;

const session = await AuthSession.open({
  serverUrl: url,
  clientName: 'mcp-reauth examined client',
  store: new FileStore(join(folder, 'credentials.json')),
  // Opens pages with the program in BROWSER, and agrees to every step-up.
  host: loopbackHost({ assumeYes: true }),
});
const transport = new StreamableHTTPClientTransport(new URL(url), { fetch: session.fetch });
const mode = version >= '2026-07-28' ? { pin: version } : 'legacy';
const client = new Client({ name: 'mcp-reauth', version: '0.1.0' }, { versionNegotiation: { mode } });

async function call(name) {
  const { isError, content } = await client.callTool({ name });
  if (isError) throw new Error(JSON.stringify(content));
}

async function carryOut({ id, do: what, tool }) {
  try {
    await (what === 'connect' ? client.connect(transport) : call(tool));
    console.log(JSON.stringify({ id, ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ id, ok: false, error: String(error) }));
  }
}

const commands = createInterface({ input: process.stdin });
commands.on('line', (line) => carryOut(JSON.parse(line)));
commands.on('close', async () => {
  await transport.terminateSession().catch(() => {});
  await client.close();
  await session.close();
  process.exit();
});
