// The MCP server, with the official packages' guard, metadata and scope challenges.

import {
  createMcpExpressApp,
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
  requireBearerAuth,
} from '@modelcontextprotocol/express';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer, requireScopes } from '@modelcontextprotocol/server';
import { z } from 'zod';

import { SCOPES } from './authorization-server.mjs';
import { dpopChallenge, dpopMetadata, Nonces, requireDpopAuth } from './dpop.mjs';
import { verifier } from './verifier.mjs';

export function mcpServer({ authority, metadata, resource, settings, ledger }) {
  const nonces = new Nonces(settings.dpopNonces);
  const resourceUrl = new URL(resource);
  const metadataUrl = getOAuthProtectedResourceMetadataUrl(resourceUrl);
  const options = {
    verifier: verifier({ authority, resource, format: settings.accessTokenFormat }),
    expectedResource: resource,
    requiredScopes: ['mcp:read'],
    resourceMetadataUrl: metadataUrl,
  };
  const documents = { oauthMetadata: metadata, resourceServerUrl: resourceUrl, scopesSupported: SCOPES };

  const app = createMcpExpressApp();
  const mcp = createMcpHandler(tools);
  if (settings.dpop !== 'off') app.use(dpopMetadata(documents, settings.dpop === 'required' && settings.dpopAnnounced));
  app.use(mcpAuthMetadataRouter(documents));
  app.use('/mcp', noting(ledger), guard(options, settings.dpop, nonces));
  const node = toNodeHandler(settings.dpop === 'off' ? mcp : dpopChallenge(mcp));
  app.all('/mcp', (request, response) => node(request, response, request.body));
  return { handle: app, nonces };
}

function tools() {
  const server = new McpServer({ name: 'third-party', version: '1.0.0' });
  const answer = ({ text }) => ({ content: [{ type: 'text', text }] });
  for (const [name, scope] of [
    ['echo', 'mcp:read'],
    ['write', 'mcp:write'],
  ]) {
    server.registerTool(
      name,
      {
        description: `Answers with its text; needs ${scope}`,
        inputSchema: z.object({ text: z.string() }),
        scopeChallenge: requireScopes(scope),
      },
      answer,
    );
  }
  return server;
}

/** Accepts bearer tokens, or tokens with proofs, as the settings say. */
function guard(options, dpop, nonces) {
  const bearer = requireBearerAuth(options);
  if (dpop === 'off') return bearer;
  const bound = requireDpopAuth(options, nonces);
  const isBound = (request) => /^dpop /i.test(request.headers.authorization ?? '');
  return (request, ...rest) => {
    const chosen = dpop === 'accepted' && !isBound(request) ? bearer : bound;
    return chosen(request, ...rest);
  };
}

function noting(ledger) {
  return (request, response, next) => {
    const [scheme] = request.headers.authorization?.split(' ') ?? [];
    response.on('finish', () => {
      const { auth } = request;
      ledger.note('mcp', {
        scheme,
        status: response.statusCode,
        error: response.get('WWW-Authenticate')?.match(/error="([^"]*)"/)?.[1],
        method: request.body?.method,
        user: auth?.extra.subject,
        audience: auth?.resource.href,
        scopes: auth?.scopes,
      });
    });
    next();
  };
}
