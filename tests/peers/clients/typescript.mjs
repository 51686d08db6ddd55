// The official TypeScript SDK with its own provider, `full` or `minimal`. As its documentation says, the host finishes a
// sign-in by `finishAuth`, and then sends again what had failed.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

import { check, serve } from './commands.mjs';
import { FullProvider, MinimalProvider } from './provider.mjs';

const [kind, url] = process.argv.slice(-2);
const { MCP_CONFORMANCE_PROTOCOL_VERSION: version, MCP_REAUTH_EXAMINE_STORE: folder, PEER_TOKEN: token } = process.env;
const authProvider = kind === 'full' ? new FullProvider(folder) : new MinimalProvider(folder);
const mode = version >= '2026-07-28' ? { pin: version } : 'legacy';
/** With a token that it is given, it has no authorization of its own. */
const options = token ? { requestInit: { headers: { authorization: `Bearer ${token}` } } } : { authProvider };
let client;
let transport;

async function attempt() {
  transport = new StreamableHTTPClientTransport(new URL(url), options);
  client = new Client({ name: 'peer', version: '1' }, { versionNegotiation: { mode } });
  await client.connect(transport);
}

/** Does something, and once more after a sign-in. */
async function finishing(work) {
  try {
    return await work();
  } catch (error) {
    const callback = error instanceof UnauthorizedError ? authProvider.takeCallback() : undefined;
    if (!callback) throw error;
    await transport.finishAuth(callback);
    return work();
  }
}

serve({
  connect: () => finishing(attempt),
  call: (name) => finishing(async () => check(await client.callTool({ name }))),
  close: async () => {
    await transport.terminateSession();
    await client.close();
  },
});
