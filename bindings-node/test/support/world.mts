import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { AuthSession, type AuthSessionOptions, type ErrorCode, FileStore, ReauthError } from 'mcp-reauth';

import { Reader } from './browser.mjs';
import type { McpClient, Sdk } from './clients.mjs';
import { Servers, type Settings, until } from './third-party.mjs';

type Options = Partial<AuthSessionOptions>;

/** A session, and a client that sends its requests through it. */
export interface Connection {
  session: AuthSession;
  client: McpClient;
}

/** Servers, a user, and the store file of their sessions. Disposing of it ends everything. */
export class World implements AsyncDisposable {
  readonly servers: Servers;
  readonly person = new Reader();
  readonly #folder: string;
  readonly #endings: (() => Promise<void>)[] = [];
  #streams = 0;

  private constructor(servers: Servers, folder: string) {
    this.servers = servers;
    this.#folder = folder;
  }

  static async start(settings: Settings = {}): Promise<World> {
    const servers = await Servers.start(settings);
    return new World(servers, await mkdtemp(join(tmpdir(), 'mcp-reauth-')));
  }

  get url(): string {
    return this.servers.url;
  }

  get #store(): string {
    return join(this.#folder, 'credentials.json');
  }

  /** Opens a session of the user with the stored records, as another process would. */
  async session(options: Options = {}): Promise<AuthSession> {
    const store = new FileStore(this.#store);
    const session = await AuthSession.open({ serverUrl: this.url, host: this.person, store, ...options });
    this.#endings.push(() => session.close());
    return session;
  }

  /** Opens a session, and connects a client through it. */
  async connect(sdk: Sdk, options: Options = {}): Promise<Connection> {
    const session = await this.session(options);
    return { session, client: await this.connectThrough(session, sdk) };
  }

  async connectThrough(session: AuthSession, sdk: Sdk): Promise<McpClient> {
    const client = await sdk.connect(this.url, session.fetch);
    this.#endings.push(() => client.close());
    if (sdk.requests === 1) return client;
    // The older wire opens its event stream later: waits, so that it does not affect what a test counts.
    this.#streams += 1;
    await until(async () => {
      const requests = await this.servers.events('mcp');
      return requests.filter(({ status }) => status === 405).length === this.#streams;
    });
    return client;
  }

  /** Connects for the first time, with one page, and resets the user's records. */
  async signIn(sdk: Sdk, options: Options = {}): Promise<Connection> {
    const connection = await this.connect(sdk, options);
    assert.equal(this.person.pages.length, 1);
    this.person.reset();
    this.person.saw();
    return connection;
  }

  /** The content of the store file. */
  contents(): Promise<string> {
    return readFile(this.#store, 'utf8');
  }

  /** The stored secret with that name. */
  async stored(name: 'access_token' | 'refresh_token'): Promise<string> {
    const found = find(JSON.parse(await this.contents()), name);
    if (typeof found !== 'string') throw new Error(`no ${name} is stored`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const end of this.#endings.toReversed()) await end();
    } finally {
      await this.servers[Symbol.asyncDispose]();
      await rm(this.#folder, { recursive: true });
    }
  }
}

/** The first member with that name, at any depth. */
function find(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (name in value) return (value as Record<string, unknown>)[name];
  return Object.values(value)
    .map((member) => find(member, name))
    .find((found) => found !== undefined);
}

/** Calls a tool and asserts that it succeeds. */
export async function answers(client: McpClient, tool: 'echo' | 'write'): Promise<void> {
  const result = await client.callTool({ name: tool, arguments: { text: 'hello' } });
  assert.ok(!result.isError, inspect(result));
  assert.deepEqual(result.content, [{ type: 'text', text: 'hello' }]);
}

/** For `assert.rejects`: expects an error with that code that contains none of the secrets. */
export function failure(code: ErrorCode, secrets: readonly string[] = []): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof ReauthError, inspect(error));
    assert.equal(error.code, code, error.message);
    const shown = inspect(error, { depth: 16, showHidden: true });
    for (const secret of secrets) assert.ok(!shown.includes(secret), shown);
    return true;
  };
}
