import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Fetch } from 'mcp-reauth';

import type { Fixture } from './fixture.mjs';

/** The parts of an official SDK client that tests use, in any version. */
export interface McpClient {
  callTool(
    request: { name: string; arguments?: Record<string, unknown> },
    options?: { timeout?: number },
  ): Promise<Result>;
  listTools(): Promise<{ tools: { name: string }[] }>;
  readResource(uri: string): Promise<unknown>;
  getPrompt(name: string): Promise<unknown>;
  /** Ends the MCP session with a DELETE. */
  terminate(): Promise<void>;
  close(): Promise<void>;
  /** Other errors that the transport reported. */
  readonly errors: Error[];
  readonly sessionId: string | undefined;
}

interface Result {
  content: { type: string; text?: string }[];
  isError?: boolean;
}

/** A version of the official SDK on one wire, and how its client connects through a `fetch`. */
export interface Sdk {
  name: string;
  /** The requests of connecting in the ordinary case: the older wire adds a notification and an event stream. */
  requests: 1 | 3;
  connect(url: string, fetch: Fetch): Promise<McpClient>;
}

const INFO = { name: 'mcp-reauth-test', version: '1' };

/** The members with the same names in both versions. */
interface Versioned {
  onerror?: ((error: Error) => void) | undefined;
  listTools(): Promise<{ tools: { name: string }[] }>;
  readResource(request: { uri: string }): Promise<unknown>;
  getPrompt(request: { name: string }): Promise<unknown>;
  close(): Promise<void>;
}

interface Transport {
  readonly sessionId?: string | undefined;
  terminateSession(): Promise<void>;
}

/** Wraps a connected client of either version; they differ in how tools are called. */
function asClient(client: Versioned, transport: Transport, callTool: McpClient['callTool']): McpClient {
  const errors: Error[] = [];
  client.onerror = (error) => errors.push(error);
  return {
    errors,
    callTool,
    listTools: () => client.listTools(),
    readResource: (uri) => client.readResource({ uri }),
    getPrompt: (name) => client.getPrompt({ name }),
    terminate: () => transport.terminateSession(),
    close: () => client.close(),
    get sessionId() {
      return transport.sessionId;
    },
  };
}

/** The 2.x SDK with only 2026-07-28, or only earlier versions. */
function sdk2(mode: 'legacy' | { pin: string }): Sdk['connect'] {
  return async (url, fetch) => {
    const transport = new Transport2(new URL(url), { fetch });
    const client = new Client2(INFO, { versionNegotiation: { mode } });
    const connected = asClient(
      client,
      transport,
      (request, options) => client.callTool(request, options) as Promise<Result>,
    );
    await client.connect(transport);
    return connected;
  };
}

const sdk1: Sdk['connect'] = async (url, fetch) => {
  const transport = new Transport1(new URL(url), { fetch });
  const client = new Client1(INFO);
  const call: McpClient['callTool'] = (request, options) =>
    client.callTool(request, undefined, options) as Promise<Result>;
  const connected = asClient(client, transport, call);
  // The SDK's types do not support exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  return connected;
};

/** The newest protocol version. */
export const MODERN: Sdk = {
  name: '@modelcontextprotocol/client 2.4, 2026-07-28',
  requests: 1,
  connect: sdk2({ pin: '2026-07-28' }),
};

export const SDKS: readonly Sdk[] = [
  MODERN,
  { name: '@modelcontextprotocol/client 2.4, 2025-11-25', requests: 3, connect: sdk2('legacy') },
  { name: '@modelcontextprotocol/sdk 1.32, 2025-11-25', requests: 3, connect: sdk1 },
];

/** Connects, and waits until the server has received every request: the older wire opens its event stream later. */
export async function connect(sdk: Sdk, fixture: Fixture, fetch: Fetch): Promise<McpClient> {
  const before = (await fixture.counters()).mcp_get;
  const client = await sdk.connect(fixture.mcpUrl, fetch);
  if (sdk.requests === 3) await fixture.until(({ mcp_get }) => mcp_get > before);
  return client;
}

/** Calls a tool that must succeed. */
export async function succeeds(client: McpClient, name: string): Promise<void> {
  const { content, isError } = await client.callTool({ name, arguments: { text: 'hello' } });
  if (isError) throw new Error(`${name}: ${JSON.stringify(content)}`);
}
