import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Fetch } from 'mcp-reauth';

/** What tests use of a client of the official SDK, whichever version that is. */
export interface McpClient {
  callTool(
    request: { name: string; arguments?: Record<string, unknown> },
    options?: { timeout?: number },
  ): Promise<Result>;
  listTools(): Promise<{ tools: { name: string }[] }>;
  readResource(uri: string): Promise<unknown>;
  getPrompt(name: string): Promise<unknown>;
  /** Ends the MCP session by a DELETE. */
  terminate(): Promise<void>;
  close(): Promise<void>;
  /** What the transport was told of besides. */
  readonly errors: Error[];
  readonly sessionId: string | undefined;
}

interface Result {
  content: { type: string; text?: string }[];
  isError?: boolean;
}

/** A major version of the official SDK, and how a client of it connects through a `fetch`. */
export interface Sdk {
  name: string;
  connect(url: string, fetch: Fetch): Promise<McpClient>;
}

const INFO = { name: 'mcp-reauth-test', version: '1' };

export const SDKS: readonly Sdk[] = [
  {
    name: '@modelcontextprotocol/client 2.4',
    async connect(url, fetch) {
      const transport = new Transport2(new URL(url), { fetch });
      const client = new Client2(INFO);
      const errors: Error[] = [];
      client.onerror = (error) => errors.push(error);
      await client.connect(transport);
      return {
        errors,
        callTool: (request, options) => client.callTool(request, options) as Promise<Result>,
        listTools: () => client.listTools(),
        readResource: (uri) => client.readResource({ uri }),
        getPrompt: (name) => client.getPrompt({ name }),
        terminate: () => transport.terminateSession(),
        close: () => client.close(),
        get sessionId() {
          return transport.sessionId;
        },
      };
    },
  },
  {
    name: '@modelcontextprotocol/sdk 1.32',
    async connect(url, fetch) {
      const transport = new Transport1(new URL(url), { fetch });
      const client = new Client1(INFO);
      const errors: Error[] = [];
      client.onerror = (error) => errors.push(error);
      // The SDK was not written with exact optional properties.
      await client.connect(transport as Parameters<typeof client.connect>[0]);
      return {
        errors,
        callTool: (request, options) => client.callTool(request, undefined, options) as Promise<Result>,
        listTools: () => client.listTools(),
        readResource: (uri) => client.readResource({ uri }),
        getPrompt: (name) => client.getPrompt({ name }),
        terminate: () => transport.terminateSession(),
        close: () => client.close(),
        get sessionId() {
          return transport.sessionId;
        },
      };
    },
  },
];

/** Calls a tool that must answer. */
export async function succeeds(client: McpClient, name: string): Promise<void> {
  const { content, isError } = await client.callTool({ name, arguments: { text: 'hello' } });
  if (isError) throw new Error(`${name}: ${JSON.stringify(content)}`);
}
