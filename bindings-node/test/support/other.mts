import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { FOLDER, node, until } from './third-party.mjs';

/** The launcher's exit code if the server is not available on this machine. */
const CANNOT_BE_HAD = 3;

/** What `tests/third-party/others/main.mjs` reports about a server. */
interface About {
  mcp: string;
  control: string;
  /** The package and its version. */
  version: string;
  /** The protocol version it speaks. */
  wire: '2025-11-25' | '2026-07-28';
  /** Whether it issues refresh tokens. */
  refreshes: boolean;
  /** Whether a sign-out revokes tokens. */
  revokes: boolean;
  /** What needs more scope: a tool, or from some time on the whole server. */
  stepUp?: 'tool' | 'server';
  /** Whether its MCP sessions end with the registration of their client. */
  sessionsEnd?: boolean;
}

/** A request that the server's front has recorded. */
export interface Noted {
  by: 'client' | 'browser' | 'stream';
  method: string;
  path: string;
  status?: number;
  grant?: string;
}

/** A third-party server with a front that records requests, in separate processes. */
export class Other implements AsyncDisposable {
  readonly about: About;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, about: About) {
    this.#process = child;
    this.about = about;
  }

  /** Starts it by its name in `tests/third-party/others/servers.mjs`, if it is available. */
  static async start(name: string): Promise<Other | undefined> {
    const child = spawn(node(), [`${FOLDER}others/main.mjs`, name], { stdio: ['pipe', 'pipe', 'inherit'] });
    const line = once(createInterface({ input: child.stdout }), 'line');
    const exit = once(child, 'exit');
    const [first] = await Promise.race([line, exit]);
    if (typeof first === 'string') return new Other(child, JSON.parse(first));
    if (first === CANNOT_BE_HAD) return undefined;
    throw new Error(`${name} ended with ${first}`);
  }

  /** Sends an instruction to the server or its front. */
  async tell(what: string): Promise<void> {
    const response = await fetch(`${this.about.control}/${what}`, { method: 'POST' });
    if (response.status !== 204) throw new Error(`${what}: ${response.status} ${await response.text()}`);
  }

  async #report(): Promise<{ requests: Noted[]; held: number }> {
    const response = await fetch(`${this.about.control}/requests`);
    return (await response.json()) as { requests: Noted[]; held: number };
  }

  /** Returns the number of requests so far, for `since`. */
  async mark(): Promise<number> {
    return (await this.#report()).requests.length;
  }

  /** The client's requests since a mark. Leaves out the event stream of the older protocol, which opens at any time. */
  async since(mark: number): Promise<Noted[]> {
    const { requests } = await this.#report();
    return requests.slice(mark).filter(({ by }) => by === 'client');
  }

  /** Waits until so many event streams were requested. */
  async hasStreams(streams: number): Promise<void> {
    await until(async () => {
      const { requests } = await this.#report();
      return requests.filter(({ by, status }) => by === 'stream' && status !== undefined).length >= streams;
    });
  }

  /** Waits until so many requests were rejected since a mark, and the next step is held. */
  async hasRejected(rejections: number, mark: number): Promise<void> {
    await until(async () => {
      const { requests, held } = await this.#report();
      const rejected = requests.slice(mark).filter(({ status }) => status === 401);
      return rejected.length >= rejections && held === 1;
    });
  }

  /** Whether the MCP server accepts a token. */
  async accepts(token: string): Promise<boolean> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const response = await fetch(this.about.mcp, { method: 'POST', headers, body: '{}' });
    await response.body?.cancel();
    return response.status !== 401;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.stdin?.end();
    await ended;
  }
}

/** Checks or updates a server's row in the table of the docs, with `tests/third-party/others/table.mjs`. */
export function checkTable(server: string, version: string, cells: Record<string, number | null>): boolean {
  const input = JSON.stringify({ server, version, client: 'node', cells });
  const stdio = ['pipe', 'inherit', 'inherit'] as const;
  return spawnSync(node(), [`${FOLDER}others/table.mjs`], { input, stdio: [...stdio] }).status === 0;
}
