// The TypeScript SDK 1.x: the in-memory provider of its examples behind its own router, and an MCP server behind its
// own guard, as two servers, as in its example. The tool `write` needs more scope, which the guard enforces.

import { DemoInMemoryAuthProvider } from '@modelcontextprotocol/sdk/examples/server/demoInMemoryOAuthProvider.js';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import {
  createOAuthMetadata,
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
  mcpAuthRouter,
} from '@modelcontextprotocol/sdk/server/auth/router.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import express from 'express';
import { z } from 'zod';

import { BOTH, callsWrite, packageVersion, READ, report, serve, settings } from './running.mjs';

const issuerUrl = new URL(settings.issuer);
const resource = new URL(`${settings.mcp}/mcp`);
const provider = new DemoInMemoryAuthProvider((asked) => asked?.href === resource.href);

const authorization = express();
// Twenty processes that sign in, each on its own port, exceed the limit of registrations per hour.
const clientRegistrationOptions = { rateLimit: false };
authorization.use(mcpAuthRouter({ provider, issuerUrl, scopesSupported: BOTH, clientRegistrationOptions }));

const verifier = {
  async verifyAccessToken(token) {
    if (!provider.tokens.has(token)) throw new InvalidTokenError('The token is not known');
    return provider.verifyAccessToken(token);
  },
};
const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(resource);
const guard = (requiredScopes) => requireBearerAuth({ verifier, requiredScopes, resourceMetadataUrl });
const [reads, writes] = [guard([READ]), guard(BOTH)];

function tools() {
  const server = new McpServer({ name: 'typescript-sdk', version: '1.0.0' });
  for (const name of ['echo', 'write']) {
    const options = { description: 'Answers with its text', inputSchema: { text: z.string() } };
    server.registerTool(name, options, ({ text }) => ({ content: [{ type: 'text', text }] }));
  }
  return server;
}

const app = express();
app.use(express.json());
const oauthMetadata = createOAuthMetadata({ provider, issuerUrl, scopesSupported: BOTH });
app.use(mcpAuthMetadataRouter({ oauthMetadata, resourceServerUrl: resource, scopesSupported: [READ] }));
app.use('/mcp', (request, ...rest) => (callsWrite(request.body) ? writes : reads)(request, ...rest));
app.post('/mcp', async (request, response) => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  const server = tools();
  response.on('close', () => server.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, request.body);
});
app.all('/mcp', (_, response) => response.status(405).set('Allow', 'POST').end());

const servers = { mcp: await serve(app), issuer: await serve(authorization) };
await report(
  { ...servers, version: packageVersion('@modelcontextprotocol/sdk'), wire: '2025-11-25' },
  {
    reject: () => provider.tokens.clear(),
    revoke: () => provider.tokens.clear(),
    forget: () => {
      provider.tokens.clear();
      provider.clientsStore.clients.clear();
    },
  },
);
