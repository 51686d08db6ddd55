// The client under test of the official conformance suite: the official TypeScript SDK on `session.fetch`, in an
// ordinary host on the public API. From its environment it reads the protocol version, and what an operator would
// configure: its credentials, and whether it acts for a user or for itself.

import { createRequire } from 'node:module';

const require = createRequire(new URL('../../../bindings-node/', import.meta.url));
const { AuthSession, loopbackHost } = require('./dist/index.js');
const { Client, StreamableHTTPClientTransport } = require('@modelcontextprotocol/client');

/** The suite allows a client 30 s. */
const DEADLINE = 25_000;

const url = process.argv.at(-1);
const { MCP_CONFORMANCE_CONTEXT, MCP_CONFORMANCE_PROTOCOL_VERSION, MCP_CONFORMANCE_SCENARIO } = process.env;
const context = JSON.parse(MCP_CONFORMANCE_CONTEXT ?? '{}');

/** Agrees to everything, and visits pages as a browser does, following redirects to the callback. */
const loopback = loopbackHost({ redirectUri: 'http://127.0.0.1:0/callback', openBrowser: false });
const host = {
  ...loopback,
  confirmStepUp: () => true,
  async authorize(request, { signal }) {
    const [callback] = await Promise.all([loopback.authorize(request, { signal }), fetch(request.url, { signal })]);
    return callback;
  },
};

/** The credentials an operator would configure, from the suite's context. */
function setUp() {
  const { client_id, client_secret, private_key_pem, issuer, valid_jwt, idp_issuer, idp_client_id } = context;
  const client = client_id && {
    id: client_id,
    secret: client_secret,
    key: private_key_pem,
    issuer,
    // The suite does not say at which issuer its clients are registered.
    atAnyIssuer: issuer === undefined,
  };
  if (MCP_CONFORMANCE_SCENARIO?.includes('client-credentials')) return { kind: 'client_credentials', client };
  if (valid_jwt) return { kind: 'workload', client, assertion: () => valid_jwt };
  if (!idp_issuer || !idp_client_id) return { kind: 'person', client };
  return { kind: 'enterprise', identityProvider: { issuer: idp_issuer, clientId: idp_client_id }, client };
}

async function run() {
  const session = await AuthSession.open({
    serverUrl: url,
    clientName: 'mcp-reauth conformance client',
    clientMetadataUrl: 'https://conformance-test.local/client-metadata.json',
    host,
    credentials: setUp(),
  });
  // The user has already signed in at the identity provider.
  if (context.idp_id_token) await session.identityProvider?.adopt({ idToken: context.idp_id_token });

  const modern = MCP_CONFORMANCE_PROTOCOL_VERSION >= '2026-07-28';
  const client = new Client(
    { name: 'mcp-reauth', version: '0.1.0' },
    { versionNegotiation: { mode: modern ? { pin: MCP_CONFORMANCE_PROTOCOL_VERSION } : 'legacy' } },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: session.fetch }));
  const { tools } = await client.listTools();
  for (const { name } of tools) await client.callTool({ name });
  await client.close();
  await session.close();
}

const deadline = setTimeout(() => {
  console.error(`not done after ${DEADLINE / 1000} s`);
  process.exit(1);
}, DEADLINE);
await run().finally(() => clearTimeout(deadline));
