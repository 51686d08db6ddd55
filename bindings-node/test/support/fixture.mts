import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** The command of this repository. */
export const PROGRAM = `${ROOT}target/debug/mcp-reauth`;

/** The limit for a wait, in milliseconds. */
const PATIENCE = 10_000;

interface Addresses {
  mcpUrl: string;
  issuer: string;
  idpIssuer: string | null;
  controlUrl: string;
}

/** The fixture's counters, described in `tests/fixture/src/counters.rs`. */
export type Counters = Record<
  | 'requests'
  | 'browser_requests'
  | 'mcp_requests'
  | 'mcp_post'
  | 'mcp_get'
  | 'mcp_delete'
  | 'mcp_401'
  | 'mcp_403'
  | 'tool_challenges'
  | 'registrations'
  | 'authorize_visits'
  | 'token_requests'
  | 'token_code'
  | 'token_refresh'
  | 'token_client_credentials'
  | 'token_jwt_bearer'
  | 'revocations'
  | 'rotations'
  | 'reuse_detected'
  | 'dpop_nonce_challenges'
  | 'idp_exchange',
  number
>;

/** The test servers, in a separate process: `mcp-reauth serve-fixture`. */
export class Fixture implements AsyncDisposable {
  readonly mcpUrl: string;
  readonly issuer: string;
  readonly idpIssuer: string;
  readonly #control: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, { mcpUrl, issuer, idpIssuer, controlUrl }: Addresses) {
    this.#process = process;
    this.mcpUrl = mcpUrl;
    this.issuer = issuer;
    this.idpIssuer = idpIssuer ?? '';
    this.#control = controlUrl;
  }

  /** Starts them with settings as in `tests/fixture/example-config.json`. */
  static async start(config: object = {}): Promise<Fixture> {
    const folder = await mkdtemp(join(tmpdir(), 'fixture-'));
    const file = join(folder, 'config.json');
    await writeFile(file, JSON.stringify(config));
    const child = spawn(PROGRAM, ['serve-fixture', '--json', '--config', file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    const [line] = await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`the fixture ended with ${code}`))),
    ]);
    await rm(folder, { recursive: true });
    return new Fixture(child, JSON.parse(line));
  }

  /** Calls the control API; a `GET` of its address lists what it can do. */
  async control<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.#control + path, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text ? JSON.parse(text) : undefined) as T;
  }

  counters(): Promise<Counters> {
    return this.control('GET', '/counters');
  }

  async resetCounters(): Promise<void> {
    await this.control('POST', '/counters/reset');
  }

  /** The number of requests of the client to all servers, without those of a browser. */
  async clientRequests(): Promise<number> {
    const { requests, browser_requests } = await this.counters();
    return requests - browser_requests;
  }

  /** Waits until the counters satisfy `wanted`. */
  async until(wanted: (counters: Counters) => boolean): Promise<void> {
    for (const start = performance.now(); performance.now() - start < PATIENCE; ) {
      if (wanted(await this.counters())) return;
    }
    throw new Error(`in vain, with ${JSON.stringify(await this.counters())}`);
  }

  async expire(): Promise<void> {
    await this.control('POST', '/expire');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    await ended;
  }
}
