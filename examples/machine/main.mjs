/**
 * A program without a user: it authenticates as a client, with a secret.
 *
 *     CLIENT_ID=nightly CLIENT_SECRET=... ISSUER=https://login.example.com node main.mjs https://mcp.example.com/mcp
 */

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { AuthSession } from 'mcp-reauth';

const serverUrl = process.argv[2];
const { CLIENT_ID: id, CLIENT_SECRET: secret, ISSUER: issuer } = process.env;
const session = await AuthSession.open({
  serverUrl,
  // The secret is sent only to this issuer, whatever the MCP server says.
  credentials: { kind: 'client_credentials', client: { id, secret, issuer } },
});
session.addEventListener('renewed', ({ detail }) => console.error('renewed by', detail.issuer));

const client = new Client({ name: 'machine-example', version: '1.0.0' });
await client.connect(new StreamableHTTPClientTransport(new URL(serverUrl), { fetch: session.fetch }));
for (const { name } of (await client.listTools()).tools) console.log(name);
await client.close();
await session.close();
