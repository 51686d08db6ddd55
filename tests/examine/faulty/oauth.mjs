// The protocol steps of the faulty client: discovery, registration, the sign-in page, tokens.

import { createHash, randomBytes } from 'node:crypto';

import { makes } from './mistakes.mjs';

const REDIRECT_URI = 'http://127.0.0.1:9/callback';
const random = () => randomBytes(32).toString('base64url');

/** A failure that may pass: nothing is discarded because of it, and no one is prompted. */
export class Transient extends Error {}

/** An answer of the token endpoint that is final. */
export class Refused extends Error {}

async function json(url, init) {
  let response;
  try {
    response = await fetch(url, { redirect: makes('follows-redirects') ? 'follow' : 'manual', ...init });
  } catch (error) {
    throw new Transient(`${url}: ${error.cause?.code ?? error}`);
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  if (response.status >= 400 && response.status < 500) throw new Refused(body.error ?? `status ${response.status}`);
  throw new Transient(`${url}: status ${response.status}`);
}

const form = (fields) => ({ method: 'POST', body: new URLSearchParams(fields) });

/** The parameters of a Bearer challenge. */
export function challengeOf(response) {
  const header = response.headers.get('www-authenticate') ?? '';
  return Object.fromEntries([...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
}

/** Finds the authorization server of the MCP server, and checks what it says about itself. */
export async function discover(server, challenge) {
  const { origin, pathname } = new URL(server);
  const address = challenge.resource_metadata ?? `${origin}/.well-known/oauth-protected-resource${pathname}`;
  const resource = await json(address);
  if (resource.resource !== server && !makes('ignores-resource')) throw new Error('metadata of another resource');
  const [issuer] = resource.authorization_servers;
  const metadata = await json(`${issuer}/.well-known/oauth-authorization-server`);
  if (metadata.issuer !== issuer && !makes('ignores-metadata-issuer')) throw new Error('metadata of another issuer');
  if (!metadata.code_challenge_methods_supported?.includes('S256') && !makes('ignores-pkce')) {
    throw new Error('the authorization server has no PKCE');
  }
  return { ...metadata, issuer };
}

export async function register({ registration_endpoint, issuer }) {
  const client = {
    client_name: 'faulty',
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
  };
  const headers = { 'content-type': 'application/json' };
  const { client_id } = await json(registration_endpoint, { method: 'POST', headers, body: JSON.stringify(client) });
  return { id: client_id, issuer };
}

/** Shows the sign-in page, and exchanges the code of its callback. */
export async function signIn({ server, metadata, client, scopes }) {
  const [state, verifier] = [random(), random()];
  const page = new URL(metadata.authorization_endpoint);
  page.search = new URLSearchParams({
    response_type: 'code',
    client_id: client.id,
    redirect_uri: REDIRECT_URI,
    scope: scopes.join(' '),
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    resource: server,
  });
  const visited = await fetch(page, { redirect: 'manual' });
  const callback = new URL(visited.headers.get('location') ?? 'about:blank').searchParams;
  check(callback, state, metadata);
  const fields = {
    grant_type: 'authorization_code',
    code: callback.get('code'),
    code_verifier: verifier,
    redirect_uri: REDIRECT_URI,
  };
  return token(server, metadata, client, fields);
}

function check(callback, state, { issuer, authorization_response_iss_parameter_supported: promised }) {
  const iss = callback.get('iss');
  if ((promised || iss) && iss !== issuer && !makes('ignores-issuer')) throw new Error('a callback of another issuer');
  if (callback.get('state') !== state && !makes('ignores-state')) throw new Error('a callback with another state');
  if (callback.get('error')) throw new Error(`the sign-in ended with ${callback.get('error')}`);
}

export function refresh({ server, metadata, client, tokens }) {
  const fields = { grant_type: 'refresh_token', refresh_token: tokens.refresh };
  if (makes('narrows-at-refresh')) fields.scope = 'mcp:read';
  return token(server, metadata, client, fields);
}

async function token(server, metadata, client, fields) {
  const request = form({ ...fields, client_id: client.id, resource: server });
  const answer = await json(metadata.token_endpoint, request);
  if (makes('prints-token')) console.log(`token: ${answer.access_token}`);
  return {
    access: answer.access_token,
    refresh: answer.refresh_token ?? fields.refresh_token,
    scopes: (answer.scope ?? '').split(' '),
    expires: Date.now() + 1000 * answer.expires_in,
  };
}
