// Starts the servers on loopback, prints their addresses as one line of JSON, and exits when its standard input ends.
// Its argument is JSON: any of the settings below.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { authorizationServer } from './authorization-server.mjs';
import { control } from './control.mjs';
import { Ledger } from './ledger.mjs';
import { mcpServer } from './mcp-server.mjs';

const settings = {
  /** Seconds. */
  accessTokenLife: 3600,
  /** `opaque`, which the MCP server introspects, or `jwt`, which it verifies itself. */
  accessTokenFormat: 'opaque',
  dynamicRegistration: true,
  requirePushedRequests: false,
  /** Whether all refresh tokens rotate, and not only those that are not bound to a client or key. */
  alwaysRotates: false,
  /**
   * Whether refresh tokens require `offline_access` with `prompt=consent` (the default of oidc-provider), or are issued
   * to every client that may use them (a common configuration).
   */
  refreshTokensNeedPrompt: false,
  /** At the MCP server: `off`, `accepted` or `required`. */
  dpop: 'off',
  /** Whether its metadata says that bound tokens are required, and not only its challenges. */
  dpopAnnounced: true,
  /** Whether both servers require a nonce in proofs. */
  dpopNonces: false,
  /** How clients may authenticate; `client_secret_post` must be among them. */
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
  /** The metadata of pre-registered clients. */
  clients: [],
  /** The public origins of the servers, if a proxy is in front of them. */
  issuer: undefined,
  mcp: undefined,
  ...JSON.parse(process.argv[2] ?? '{}'),
};

// Silences oidc-provider's warnings about a development setup.
console.info = console.warn = () => {};

async function listen() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

const [issuer, mcp, controls] = await Promise.all([listen(), listen(), listen()]);
const known = { issuer: settings.issuer ?? issuer.origin, mcp: settings.mcp ?? mcp.origin };
const resource = `${known.mcp}/mcp`;
const ledger = new Ledger();
const behind = issuer.origin;
const authority = await authorizationServer({ issuer: known.issuer, behind, resource, settings, ledger });
issuer.server.on('request', authority.handle);
const described = await fetch(`${behind}/.well-known/oauth-authorization-server`);
const metadata = JSON.parse((await described.text()).replaceAll(behind, known.issuer));
const guarded = mcpServer({ authority, metadata, resource, settings, ledger });
mcp.server.on('request', guarded.handle);
controls.server.on('request', control({ authority, guarded, ledger }));

for (const end of ['SIGTERM', 'SIGINT']) process.on(end, () => process.exit());
process.stdin.on('end', () => process.exit()).resume();
const { version } = JSON.parse(readFileSync(new URL('../node_modules/oidc-provider/package.json', import.meta.url)));
const addresses = settings.mcp ? { mcp: mcp.origin, issuer: behind } : { mcp: resource, issuer: known.issuer };
const about = { version: `oidc-provider ${version}`, wire: '2026-07-28' };
console.log(JSON.stringify({ ...addresses, control: controls.origin, ...about }));
