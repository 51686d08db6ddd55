// better-auth with its MCP plugin, as one server: the application's pages for sign-in and consent, and an MCP server
// with the official packages behind the plugin's guard. That guard does not check scopes: the 403 comes from this file.

import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler as authHandler } from 'better-auth/node';
import { mcp, oAuthDiscoveryMetadata, oAuthProtectedResourceMetadata, withMcpAuth } from 'better-auth/plugins';
import express from 'express';
import { z } from 'zod';

import { BOTH, callsWrite, packageVersion, READ, report, serve, settings, WRITE } from './running.mjs';

const origin = settings.mcp;
const tables = {
  user: [],
  session: [],
  account: [],
  verification: [],
  oauthApplication: [],
  oauthAccessToken: [],
  oauthConsent: [],
};
// Clients can request more than the resource lists.
const listed = [READ, 'offline_access'];
const auth = betterAuth({
  baseURL: origin,
  secret: 'a secret for the tests alone, of this length',
  database: memoryAdapter(tables),
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  logger: { disabled: true },
  plugins: [
    mcp({
      loginPage: '/login',
      resource: `${origin}/mcp`,
      oidcConfig: {
        loginPage: '/login',
        consentPage: '/consent',
        scopes: BOTH,
        metadata: { scopes_supported: listed },
      },
    }),
  ],
});
const user = { email: 'alice@example.com', password: 'correct horse' };
await auth.api.signUpEmail({ body: { ...user, name: 'Alice' } });

/** Calls the application's own API for the browser, and redirects to the address in the answer. */
async function ask(request, response, path, body) {
  const headers = { 'content-type': 'application/json', origin, cookie: request.headers.cookie ?? '' };
  const init = { method: 'POST', headers, body: JSON.stringify(body) };
  const answer = await auth.handler(new Request(`${origin}/api/auth${path}`, init));
  for (const cookie of answer.headers.getSetCookie()) response.append('set-cookie', cookie);
  const text = await answer.text();
  const { redirectURI, url } = text ? JSON.parse(text) : {};
  response.redirect(answer.headers.get('location') ?? redirectURI ?? url);
}

const page = (heading, form) => `<!doctype html><html><body><h1>${heading}</h1>${form}</body></html>`;
const LOGIN =
  '<form action="/login" method="post"><input type="text" name="user"><input type="password" name="password"></form>';
const CONSENT = '<form action="/consent" method="post"><button name="answer" value="yes">Allow</button></form>';

const tool = ({ text }) => ({ content: [{ type: 'text', text }] });
const handler = createMcpHandler(() => {
  const server = new McpServer({ name: 'better-auth', version: '1.0.0' });
  for (const name of ['echo', 'write']) {
    server.registerTool(
      name,
      { description: 'Answers with its text', inputSchema: z.object({ text: z.string() }) },
      tool,
    );
  }
  return server;
});
const guarded = withMcpAuth(auth, async (request, session) => {
  const needed = callsWrite(await request.clone().json()) ? WRITE : READ;
  if (session.scopes.split(' ').includes(needed)) return handler.fetch(request);
  const metadata = `${origin}/api/auth/.well-known/oauth-protected-resource`;
  const challenge = `Bearer error="insufficient_scope", scope="${needed}", resource_metadata="${metadata}"`;
  return new Response(null, { status: 403, headers: { 'WWW-Authenticate': challenge } });
});

const app = express();
const metadata = (name, handle) => app.get(`/.well-known/${name}`, toNodeHandler({ fetch: handle }));
metadata('oauth-authorization-server', oAuthDiscoveryMetadata(auth));
metadata('oauth-protected-resource', oAuthProtectedResourceMetadata(auth));
app.all('/api/auth/*path', authHandler(auth));
app.get('/login', (_, response) => response.send(page('Sign-in', LOGIN)));
app.post('/login', (request, response) => ask(request, response, '/sign-in/email', user));
app.get('/consent', (_, response) => response.send(page('Authorize', CONSENT)));
app.post('/consent', (request, response) => ask(request, response, '/oauth2/consent', { accept: true }));
app.all('/mcp', toNodeHandler({ fetch: guarded }));

const served = await serve(app);
await report(
  { mcp: served, issuer: served, version: packageVersion('better-auth'), wire: '2026-07-28' },
  {
    reject: () => {
      for (const row of tables.oauthAccessToken) row.accessToken = `gone-${row.accessToken}`;
    },
    revoke: () => tables.oauthAccessToken.splice(0),
    forget: () => {
      tables.oauthAccessToken.splice(0);
      tables.oauthApplication.splice(0);
    },
  },
);
