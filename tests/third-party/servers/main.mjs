// Starts the servers on loopback, prints their addresses as one line of JSON, and ends with its standard input.
// Its argument is JSON: any of the settings below.

import { once } from 'node:events';
import { createServer } from 'node:http';

import { authorizationServer } from './authorization-server.mjs';
import { control } from './control.mjs';
import { Ledger } from './ledger.mjs';
import { mcpServer } from './mcp-server.mjs';

const settings = {
  /** Seconds. */
  accessTokenLife: 3600,
  /** `opaque`, which the MCP server has introspected, or `jwt`, which it verifies itself. */
  accessTokenFormat: 'opaque',
  dynamicRegistration: true,
  requirePushedRequests: false,
  /** Whether refresh tokens are replaced at every use, and not only those that anybody could use. */
  alwaysRotates: false,
  /** At the MCP server: `off`, `accepted` or `required`. */
  dpop: 'off',
  /** Whether its metadata says that it is required, and not only its challenges. */
  dpopAnnounced: true,
  /** Whether proofs need a nonce, at both servers. */
  dpopNonces: false,
  /** How clients may authenticate; `client_secret_post` must be among them. */
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
  /** Clients registered beforehand: their metadata. */
  clients: [],
  ...JSON.parse(process.argv[2] ?? '{}'),
};

// What oidc-provider tells of a set-up that is for development.
console.info = console.warn = () => {};

async function listen() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

const [issuer, mcp, controls] = await Promise.all([listen(), listen(), listen()]);
const resource = `${mcp.origin}/mcp`;
const ledger = new Ledger();
const authority = await authorizationServer({ issuer: issuer.origin, resource, settings, ledger });
issuer.server.on('request', authority.handle);
const metadata = await (await fetch(`${issuer.origin}/.well-known/oauth-authorization-server`)).json();
const guarded = mcpServer({ authority, metadata, resource, settings, ledger });
mcp.server.on('request', guarded.handle);
controls.server.on('request', control({ authority, guarded, ledger }));

for (const end of ['SIGTERM', 'SIGINT']) process.on(end, () => process.exit());
process.stdin.on('end', () => process.exit()).resume();
console.log(JSON.stringify({ mcp: resource, issuer: issuer.origin, control: controls.origin }));
