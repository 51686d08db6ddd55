/** Addresses that a server leads to in a narrower network than its own. */

import assert from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import { test } from 'node:test';

import { AuthSession, type AuthSessionOptions, type Fetch } from 'mcp-reauth';

import { call, failure } from './support/adversary.mjs';
import { Person } from './support/person.mjs';

const LIMIT = { timeout: 60_000 };

/** Servers on the internet, which these tests simulate. No request is sent to them. */
const SERVER = 'https://203.0.113.1/mcp';
const ISSUER = 'https://203.0.113.2';

/** Simulated servers on the internet, as a `fetch`. `registration` is the registration endpoint. */
function servers(registration: string): { fetch: Fetch; asked: string[] } {
  const asked: string[] = [];
  const documents: Record<string, unknown> = {
    'https://203.0.113.1/.well-known/oauth-protected-resource/mcp': {
      resource: SERVER,
      authorization_servers: [ISSUER],
    },
    [`${ISSUER}/.well-known/oauth-authorization-server`]: {
      issuer: ISSUER,
      authorization_endpoint: `${ISSUER}/authorize`,
      token_endpoint: `${ISSUER}/token`,
      registration_endpoint: registration,
      code_challenge_methods_supported: ['S256'],
    },
  };
  const fetch: Fetch = async (input) => {
    const url = String(input instanceof Request ? input.url : input);
    asked.push(url);
    if (url === SERVER) return new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer' } });
    const document = documents[url];
    return document ? Response.json(document) : new Response(null, { status: 404 });
  };
  return { fetch, asked };
}

/** The error code of a first call. */
async function ends(options: Partial<AuthSessionOptions>): Promise<string> {
  await using session = await AuthSession.open({ serverUrl: SERVER, host: new Person(), ...options });
  const { code } = await failure(() => call(session, SERVER, 'echo'));
  return code;
}

for (const origin of [
  'https://10.0.0.7',
  'https://169.254.169.254',
  'http://127.0.0.1:9',
  'https://[::ffff:10.0.0.7]',
]) {
  test(`a fetch of one's own is not led to ${origin}`, LIMIT, async () => {
    const { fetch, asked } = servers(`${origin}/register`);
    assert.equal(await ends({ fetch }), 'blocked_endpoint');
    assert.ok(!asked.some((url) => url.startsWith(origin)), String(asked));
    // If it is allowed, it is requested.
    assert.equal(await ends({ fetch, allowEndpoints: [new URL(origin)] }), 'registration_rejected');
    assert.ok(asked.includes(`${origin}/register`), String(asked));
  });
}

test('names are looked up before a fetch of one’s own is called', LIMIT, async (context) => {
  // A name of this machine itself, such as 127.0.1.1 in its hosts file.
  const name = hostname();
  const address = await lookup(name).catch(() => undefined);
  const isNarrow = /^(127|10|192\.168|172\.(1[6-9]|2\d|3[01])|169\.254)\.|^(::1$|f[cde])/.test(address?.address ?? '');
  if (!isNarrow) return context.skip(`${name} is no name of a narrower network: ${address?.address}`);
  const { fetch, asked } = servers(`https://${name}/register`);
  assert.equal(await ends({ fetch }), 'blocked_endpoint');
  assert.ok(!asked.includes(`https://${name}/register`), String(asked));
});

test('what is to be allowed is an origin', LIMIT, async () => {
  for (const wrong of ['10.0.0.0/8', 'https://a.example/path', 'https://user:secret@a.example']) {
    const error = await failure(() => AuthSession.open({ serverUrl: SERVER, allowEndpoints: [wrong] }));
    assert.equal(error.code, 'config');
    assert.doesNotMatch(error.message, /secret/);
  }
});
