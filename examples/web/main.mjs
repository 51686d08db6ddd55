/**
 * A web application: each of its users has a session, and signs in on pages in their own browser.
 *
 *     node main.mjs https://mcp.example.com/mcp 8080
 *
 * Then open http://127.0.0.1:8080/tools.
 */

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { AuthSession, MemoryStore, ReauthError, wording } from 'mcp-reauth';

const [, , serverUrl, port] = process.argv;
const store = new MemoryStore();
const sessions = new Map();

/** The user's browser can only be redirected by the response to its own request. */
const host = {
  // The user asked for the tool, and the authorization server's page shows what it needs.
  confirmStepUp: () => true,
  // The failed request's error has the address to redirect to.
  authorize: () => undefined,
};

/** The session of the user who is signed in to this application. Only this decides to whom a callback belongs. */
function sessionOf(user) {
  const redirectUri = `${origin}/callback`;
  let session = sessions.get(user);
  session ??= AuthSession.open({ serverUrl, clientName: 'Web example', profile: user, redirectUri, store, host });
  sessions.set(user, session);
  return session;
}

/** Lists the tools, or redirects the user to sign in first. */
async function tools(user) {
  const client = new Client({ name: 'web-example', version: '1.0.0' });
  try {
    const { fetch } = await sessionOf(user);
    await client.connect(new StreamableHTTPClientTransport(new URL(serverUrl), { fetch }));
    const { tools } = await client.listTools();
    return { body: tools.map(({ name }) => name).join('\n') };
  } catch (error) {
    const location = error instanceof ReauthError && error.authorizationUrl;
    return location ? { location } : { status: 502, body: wording.failure(error) };
  } finally {
    await client.close();
  }
}

/** Handles the redirect back from the authorization server. */
async function callback(user, url) {
  try {
    const session = await sessionOf(user);
    await session.completeAuthorization(url);
    return { location: '/tools' };
  } catch (error) {
    return { status: 400, body: wording.failure(error) };
  }
}

async function answer(request) {
  const url = new URL(request.url, origin);
  // Stands for this application's own sign-in.
  const [, user] = /(?:^|; )user=([^;]+)/.exec(request.headers.cookie ?? '') ?? [];
  if (url.pathname === '/tools' && !user) {
    return { location: '/tools', cookie: `user=${randomUUID()}; HttpOnly; SameSite=Lax` };
  }
  if (url.pathname === '/tools') return tools(user);
  if (url.pathname === '/callback' && user) return callback(user, url);
  return { status: 404, body: 'Not found.' };
}

const server = createServer(async (request, response) => {
  const { location, cookie, body = '', status = location ? 303 : 200 } = await answer(request);
  if (location) response.setHeader('location', location);
  if (cookie) response.setHeader('set-cookie', cookie);
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
});
await new Promise((listening) => server.listen(Number(port), '127.0.0.1', listening));
const origin = `http://127.0.0.1:${server.address().port}`;
console.log(`${origin}/tools`);
