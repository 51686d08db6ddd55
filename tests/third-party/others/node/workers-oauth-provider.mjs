// Cloudflare's provider for Workers, as one server, on Node: it needs only a key-value store and one imported class of
// a Worker. The MCP server behind it uses the official packages.

import { registerHooks } from 'node:module';

import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

import { BOTH, callsWrite, packageVersion, READ, report, serve, settings } from './running.mjs';

const WORKERS = 'data:text/javascript,export class WorkerEntrypoint {}';
registerHooks({
  resolve: (name, context, next) =>
    name === 'cloudflare:workers' ? { url: WORKERS, shortCircuit: true } : next(name, context),
});
const { OAuthProvider, insufficientScope } = await import('@cloudflare/workers-oauth-provider');

/** The part of a KV namespace that the provider uses. */
class KeyValues {
  values = new Map();

  async get(key, options) {
    const { value } = this.values.get(key) ?? {};
    if (value === undefined) return null;
    return options === 'json' || options?.type === 'json' ? JSON.parse(value) : value;
  }

  async put(key, value, { metadata } = {}) {
    this.values.set(key, { value, metadata });
  }

  async delete(key) {
    this.values.delete(key);
  }

  async list({ prefix = '' } = {}) {
    const found = [...this.values].filter(([name]) => name.startsWith(prefix));
    return { keys: found.map(([name, { metadata }]) => ({ name, metadata })), list_complete: true };
  }

  /** Deletes all keys with these prefixes. */
  forget(...prefixes) {
    for (const key of this.values.keys()) {
      if (prefixes.some((prefix) => key.startsWith(prefix))) this.values.delete(key);
    }
  }
}

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'workers-oauth-provider', version: '1.0.0' });
  for (const name of ['echo', 'write']) {
    const options = { description: 'Answers with its text', inputSchema: z.object({ text: z.string() }) };
    server.registerTool(name, options, ({ text }) => ({ content: [{ type: 'text', text }] }));
  }
  return server;
});

const FORM =
  '<form method="post"><input type="text" name="user"><input type="password" name="password">' +
  '<button name="answer" value="yes">Allow</button></form>';

/** The application's part: it asks the user, and completes the request. */
const application = {
  async fetch(request, env) {
    if (new URL(request.url).pathname !== '/authorize') return new Response(null, { status: 404 });
    const asked = await env.OAUTH_PROVIDER.parseAuthRequest(request);
    if (request.method === 'GET') {
      const page = `<!doctype html><html><body><h1>Authorize</h1>${FORM}</body></html>`;
      return new Response(page, { headers: { 'content-type': 'text/html' } });
    }
    const granted = { request: asked, userId: 'alice', metadata: {}, scope: asked.scope, props: { userId: 'alice' } };
    const { redirectTo } = await env.OAUTH_PROVIDER.completeAuthorization(granted);
    return Response.redirect(redirectTo, 302);
  },
};

const guarded = {
  async fetch(request, _, context) {
    const needed = callsWrite(await request.clone().json()) ? BOTH : [READ];
    const missing = needed.filter((scope) => !context.auth.scope.includes(scope));
    return missing.length > 0 ? insufficientScope(context.auth, needed) : handler.fetch(request);
  },
};

const provider = new OAuthProvider({
  apiRoute: '/mcp',
  apiHandler: guarded,
  defaultHandler: application,
  authorizeEndpoint: '/authorize',
  tokenEndpoint: '/token',
  clientRegistrationEndpoint: '/register',
  scopesSupported: [...BOTH, 'offline_access'],
  resourceMetadata: { resource: `${settings.mcp}/mcp`, authorization_servers: [settings.mcp] },
  requiredScopes: [READ],
});
const OAUTH_KV = new KeyValues();
const environment = { OAUTH_KV };
const worker = (request) => provider.fetch(request, environment, { waitUntil: (work) => work, props: {} });

const served = await serve(toNodeHandler({ fetch: worker }));
await report(
  { mcp: served, issuer: served, version: packageVersion('@cloudflare/workers-oauth-provider'), wire: '2026-07-28' },
  {
    reject: () => OAUTH_KV.forget('token:'),
    revoke: () => OAUTH_KV.forget('token:', 'grant:'),
    forget: () => OAUTH_KV.forget('token:', 'grant:', 'client:'),
  },
);
