/** A program with version 1 of the official SDK, which uses types of browsers. */

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { AuthSession } from 'mcp-reauth';

export async function main(): Promise<void> {
  const serverUrl = 'https://mcp.example.com/mcp';
  await using session = await AuthSession.open({ serverUrl });
  const transport = new StreamableHTTPClientTransport(new URL(serverUrl), { fetch: session.fetch });
  await new Client({ name: 'consumer', version: '1' }).connect(transport);
  await using overEvents = await AuthSession.open({ serverUrl, fetch });
  console.log(overEvents.authorization()?.scopes);
}
