// mcp-remote, which speaks MCP on its standard streams, behind the official TypeScript SDK. It opens pages with the program
// in BROWSER.

import { fileURLToPath } from 'node:url';

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { check, serve } from './commands.mjs';

const url = process.argv.at(-1);
const { MCP_REAUTH_EXAMINE_STORE: folder, PEER_TOKEN: token } = process.env;
const proxy = fileURLToPath(new URL('../node_modules/mcp-remote/dist/proxy.js', import.meta.url));
/** With a token that it is given, it has no authorization of its own. */
const headers = token ? ['--header', `Authorization: Bearer ${token}`] : [];
const transport = new StdioClientTransport({
  command: process.execPath,
  args: [proxy, url, '--transport', 'http-only', '--allow-http', ...headers],
  env: { ...process.env, MCP_REMOTE_CONFIG_DIR: folder },
});
const client = new Client({ name: 'peer', version: '1' }, { versionNegotiation: { mode: 'legacy' } });

serve({
  connect: () => client.connect(transport),
  call: async (name) => check(await client.callTool({ name })),
  close: () => client.close(),
});
