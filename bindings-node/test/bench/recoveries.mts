import {
  Client,
  type OAuthClientInformationMixed,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  type OAuthTokens,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { AuthSession } from 'mcp-reauth';

import { Fixture } from '../support/fixture.mjs';
import { Person, visit } from '../support/person.mjs';

const INFO = { name: 'bench', version: '1' };
const REDIRECT = 'http://127.0.0.1:9/oauth/callback';

/** A connected and signed-in client, and the number of prompts for its user. */
interface Side {
  name: string;
  client: Client;
  prompts(): number;
  close(): Promise<void>;
}

async function ours(fixture: Fixture): Promise<Side> {
  const person = new Person();
  const session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: person });
  const client = new Client(INFO);
  await client.connect(new StreamableHTTPClientTransport(new URL(fixture.mcpUrl), { fetch: session.fetch }));
  return { name: 'session.fetch', client, prompts: () => person.pages.length, close: () => session.close() };
}

/** What the SDK asks an application to implement, as in its examples: everything in memory. */
class Provider implements OAuthClientProvider {
  readonly redirectUrl = REDIRECT;
  readonly clientMetadata: OAuthClientMetadata = { client_name: 'bench', redirect_uris: [REDIRECT] };
  redirects: URL[] = [];
  #client: OAuthClientInformationMixed | undefined;
  #tokens: OAuthTokens | undefined;
  #verifier = '';

  clientInformation() {
    return this.#client;
  }

  saveClientInformation(client: OAuthClientInformationMixed) {
    this.#client = client;
  }

  tokens() {
    return this.#tokens;
  }

  saveTokens(tokens: OAuthTokens) {
    this.#tokens = tokens;
  }

  redirectToAuthorization(url: URL) {
    this.redirects.push(url);
  }

  saveCodeVerifier(verifier: string) {
    this.#verifier = verifier;
  }

  codeVerifier() {
    return this.#verifier;
  }
}

async function theirs(fixture: Fixture): Promise<Side> {
  const authProvider = new Provider();
  const url = new URL(fixture.mcpUrl);
  const first = new StreamableHTTPClientTransport(url, { authProvider });
  await new Client(INFO).connect(first).catch(() => {});
  await first.finishAuth((await visit(authProvider.redirects.at(-1)?.href ?? '')).searchParams);
  const client = new Client(INFO);
  await client.connect(new StreamableHTTPClientTransport(url, { authProvider }));
  return {
    name: "the SDK's authProvider",
    client,
    prompts: () => authProvider.redirects.length,
    close: async () => {},
  };
}

/** What happens to a client, and how many calls it then makes. */
const CASES: [string, number, string, (fixture: Fixture) => Promise<void>][] = [
  ['token rejected, refresh token held', 1, 'echo', (fixture) => fixture.expire()],
  ['50 parallel calls, token rejected', 50, 'echo', (fixture) => fixture.expire()],
  ['a tool needs more scope', 1, 'write_note', async () => {}],
  ['10 parallel calls that need more scope', 10, 'delete_note', async () => {}],
];

/** Compares both sides, each with its own servers. */
export async function recoveries(): Promise<string> {
  // The SDK warns about what its provider leaves out.
  console.warn = () => {};
  const row = (what: string, side: string, ...columns: (string | number)[]) =>
    `${what.padEnd(39)} ${side.padEnd(23)} ${columns.map((column) => String(column).padStart(8)).join(' ')}`;
  const lines = [row('recovery', '', 'answered', 'requests', 'pages', 'ms')];
  for (const [what, calls, tool, happen] of CASES) {
    for (const connect of [ours, theirs]) {
      await using fixture = await Fixture.start();
      const side = await connect(fixture);
      // Does not count the stream that the SDK opens after connecting.
      await fixture.until(({ mcp_get }) => mcp_get > 0);
      await happen(fixture);
      await fixture.resetCounters();
      const before = side.prompts();
      const start = performance.now();
      const ended = await Promise.allSettled(
        Array.from({ length: calls }, () => side.client.callTool({ name: tool, arguments: { text: 'hello' } })),
      );
      const ms = performance.now() - start;
      const answered = ended.filter(({ status }) => status === 'fulfilled').length;
      const pages = side.prompts() - before;
      lines.push(row(what, side.name, `${answered}/${calls}`, await fixture.clientRequests(), pages, ms.toFixed(1)));
      await side.client.close();
      await side.close();
    }
  }
  return `${lines.join('\n')}\n`;
}
