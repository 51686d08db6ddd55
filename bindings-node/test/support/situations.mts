/** The nine situations with third-party servers, in Node. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { AuthSession, FileStore } from 'mcp-reauth';

import { Reader } from './browser.mjs';
import { type McpClient, MODERN, SDKS, type Sdk } from './clients.mjs';
import type { Other } from './other.mjs';
import { answers } from './world.mjs';

/** The number of concurrent calls. */
const PARALLEL = 20;
const LEGACY = SDKS[1] as Sdk;

/** The number of requests of a successful situation; `null` if it does not apply to the server. */
export type Outcome = number | null;

type Situation = (other: Other) => Promise<Outcome>;

/** A user with their own folder and browser. */
class User implements AsyncDisposable {
  readonly person = new Reader();
  readonly #other: Other;
  readonly #folder: string;
  readonly #ends: (() => Promise<void>)[] = [];
  session!: AuthSession;
  client!: McpClient;

  private constructor(other: Other, folder: string) {
    this.#other = other;
    this.#folder = folder;
  }

  /** A user who has signed in and connected for the first time. */
  static async signedIn(other: Other): Promise<User> {
    const user = new User(other, await mkdtemp(join(tmpdir(), 'mcp-reauth-')));
    try {
      await user.#connect();
    } catch (error) {
      await user[Symbol.asyncDispose]();
      throw error;
    }
    user.expectPages(1);
    return user;
  }

  get store(): string {
    return join(this.#folder, 'credentials.json');
  }

  /** Calls a tool that must succeed; in a new MCP session if the server ended the old one with its client. */
  async calls(tool: 'echo' | 'write'): Promise<void> {
    try {
      await answers(this.client, tool);
    } catch (error) {
      if (!this.#other.about.sessionsEnd || !/Session not found/.test(String(error))) throw error;
      await this.#connectClient();
      await answers(this.client, tool);
    }
  }

  async #connect(): Promise<void> {
    const store = new FileStore(this.store);
    this.session = await AuthSession.open({ serverUrl: this.#other.about.mcp, host: this.person, store });
    this.#ends.push(() => this.session.close());
    await this.#connectClient();
  }

  async #connectClient(): Promise<void> {
    const { mcp, wire } = this.#other.about;
    const streams = openedStreams.get(this.#other) ?? 0;
    this.client = await sdkFor(wire).connect(mcp, this.session.fetch);
    const { client } = this;
    this.#ends.push(() => client.close());
    if (wire === '2026-07-28') return;
    // The event stream must not interfere with what follows.
    openedStreams.set(this.#other, streams + 1);
    await this.#other.hasStreams(streams + 1);
  }

  /** Asserts the number of pages since the last call. */
  expectPages(expected: number): void {
    const shown = this.person.pages.length;
    this.person.reset();
    if (shown !== expected) throw new Error(`${shown} pages, not ${expected}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.toReversed()) await end();
    await rm(this.#folder, { recursive: true });
  }
}

/** The number of event streams that clients of a server have opened. */
const openedStreams = new WeakMap<Other, number>();

export function sdkFor(wire: string): Sdk {
  return wire === MODERN_WIRE ? MODERN : LEGACY;
}

const MODERN_WIRE = '2026-07-28';

/** The number of pages that a rejected token causes. */
function pages({ about }: Other): number {
  return about.refreshes ? 0 : 1;
}

async function works(other: Other, mark: number): Promise<number> {
  return (await other.since(mark)).length;
}

const firstSignIn: Situation = async (other) => {
  const mark = await other.mark();
  await using user = await User.signedIn(other);
  const { signedIn, authorized } = await user.session.connectionState();
  if (!signedIn || !authorized) throw new Error('not signed in');
  return works(other, mark);
};

const call: Situation = async (other) => {
  await using user = await User.signedIn(other);
  const mark = await other.mark();
  await answers(user.client, 'echo');
  user.expectPages(0);
  return works(other, mark);
};

const tokenRejected: Situation = async (other) => {
  await using user = await User.signedIn(other);
  const mark = await other.mark();
  await other.tell('reject');
  await answers(user.client, 'echo');
  user.expectPages(pages(other));
  return works(other, mark);
};

const parallel: Situation = async (other) => {
  await using user = await User.signedIn(other);
  const mark = await other.mark();
  await other.tell('reject');
  await other.tell('hold');
  const calls = Array.from({ length: PARALLEL }, () => answers(user.client, 'echo'));
  const release = async () => {
    // All calls are rejected before the recovering one continues.
    await other.hasRejected(PARALLEL, mark);
    await other.tell('release');
  };
  await Promise.all([...calls, release()]);
  user.expectPages(pages(other));
  const tokens = (await other.since(mark)).filter(({ grant }) => grant !== undefined);
  if (tokens.length !== 1) throw new Error(`${tokens.length} token requests, not 1`);
  return works(other, mark);
};

const grantRevoked: Situation = async (other) => {
  await using user = await User.signedIn(other);
  const mark = await other.mark();
  await other.tell('revoke');
  await answers(user.client, 'echo');
  user.expectPages(1);
  return works(other, mark);
};

const stepUp: Situation = async (other) => {
  if (!other.about.stepUp) return null;
  const isForAll = other.about.stepUp === 'server';
  await using user = await User.signedIn(other);
  const mark = await other.mark();
  if (isForAll) await other.tell('widen');
  try {
    await user.calls(isForAll ? 'echo' : 'write');
    const questions = user.person.questions.length;
    if (questions !== 1) throw new Error(`${questions} questions, not 1`);
    user.expectPages(1);
    return await works(other, mark);
  } finally {
    if (isForAll) await other.tell('narrow');
  }
};

/** Another process connects and calls, with only the store. */
const restart: Situation = async (other) => {
  await using user = await User.signedIn(other);
  await user.client.close();
  await user.session.close();
  const mark = await other.mark();
  const program = fileURLToPath(new URL('../programs/calling.mjs', import.meta.url));
  const args = [program, other.about.mcp, other.about.wire, user.store];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  if (code !== 0 || said !== 'answered\n') throw new Error(`it ended with ${code} and said ${said}`);
  return works(other, mark);
};

const clientsForgotten: Situation = async (other) => {
  await using user = await User.signedIn(other);
  const mark = await other.mark();
  await other.tell('forget');
  try {
    await user.calls('echo');
  } catch (error) {
    if (!user.person.gaveUp) throw error;
    // The page said that the client is unknown, and the user gave up. The next attempt registers another client.
    user.person.reset();
    await user.calls('echo');
  }
  user.expectPages(1);
  return works(other, mark);
};

const signOut: Situation = async (other) => {
  await using user = await User.signedIn(other);
  const token = user.session.authorization()?.headerValue.replace(/^Bearer /, '') ?? '';
  const mark = await other.mark();
  await user.session.signOut();
  const requests = await works(other, mark);
  if ((await user.session.connectionState()).signedIn) throw new Error('still signed in');
  const accepted = await other.accepts(token);
  if (accepted === other.about.revokes) throw new Error(`token accepted afterwards: ${accepted}`);
  return requests;
};

const ALL: Record<string, Situation> = {
  'first sign-in': firstSignIn,
  call,
  'token rejected': tokenRejected,
  '20 parallel': parallel,
  'grant revoked': grantRevoked,
  'step-up': stepUp,
  restart,
  'clients forgotten': clientsForgotten,
  'sign-out': signOut,
};

/** Tries all situations in order, and reports all failures together. */
export async function situations(other: Other): Promise<Record<string, Outcome>> {
  const outcomes: Record<string, Outcome> = {};
  const failures: Error[] = [];
  for (const [situation, attempt] of Object.entries(ALL)) {
    try {
      outcomes[situation] = await attempt(other);
    } catch (error) {
      failures.push(new Error(`${other.about.version}, ${situation}`, { cause: error }));
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, failures.map(({ message }) => message).join('; '));
  return outcomes;
}
