/**
 * A terminal program: it asks on the terminal, opens the browser, and keeps its credentials in a file.
 *
 *     node main.mjs https://mcp.example.com/mcp
 */

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { AuthSession, FileStore, loopbackHost } from 'mcp-reauth';

const serverUrl = process.argv[2];
const session = await AuthSession.open({
  serverUrl,
  clientName: 'Terminal example',
  store: new FileStore('credentials.json'),
  host: loopbackHost(),
});

const client = new Client({ name: 'terminal-example', version: '1.0.0' });
await client.connect(new StreamableHTTPClientTransport(new URL(serverUrl), { fetch: session.fetch }));
for (const { name } of (await client.listTools()).tools) console.log(name);
await client.close();
// Waits until a pending token is stored.
await session.close();
