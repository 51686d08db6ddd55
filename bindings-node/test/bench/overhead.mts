import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { AuthSession, type Fetch } from 'mcp-reauth';

import { Fixture } from '../support/fixture.mjs';
import { Person } from '../support/person.mjs';

/** How often things are measured: so many rounds of so many calls by each side. */
export interface Effort {
  rounds: number;
  calls: number;
}

const message = (method: string) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { name: 'echo' } });
const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Microseconds that both take, and their ratio; call by call in turns, so that whatever else the machine does hits both. */
async function compare(
  { rounds, calls }: Effort,
  ours: () => Promise<unknown>,
  bare: () => Promise<unknown>,
): Promise<[number, number, number]> {
  const [own, other, ratios]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round <= rounds; round++) {
    const spent: [number, number] = [0, 0];
    for (let i = 0; i < 2 * calls; i++) {
      // Neither is always the first of two.
      const turn = (i + (i >> 1)) % 2 === 0 ? 0 : 1;
      const start = performance.now();
      await (turn === 0 ? ours : bare)();
      spent[turn] += performance.now() - start;
    }
    // The first round warms up.
    if (round === 0) continue;
    const [a, b] = spent;
    own.push((a * 1000) / calls);
    other.push((b * 1000) / calls);
    ratios.push(a / b);
  }
  return [median(own), median(other), median(ratios)];
}

/** A session that is signed in, for any address. */
async function signedIn(serverUrl: string, fetch?: Fetch): Promise<AuthSession> {
  await using fixture = await Fixture.start();
  await using first = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person() });
  await first.signIn();
  const session = await AuthSession.open({ serverUrl, ...(fetch && { fetch }) });
  await session.setAuthState((await first.authState()) as object);
  return session;
}

const ANSWER = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'hello' }] } });

/** A `fetch` without a network: what is left is the session's own work. */
const nothing: Fetch = async (_, init) => {
  new Headers(init?.headers);
  return new Response(ANSWER, { headers: { 'content-type': 'application/json' } });
};

/** A call by one `fetch`, its answer read, held against one by another. */
async function row(effort: Effort, name: string, ours: Call, bare: Call, method = name): Promise<string> {
  const body = message(method);
  const drained = (call: Call) => () => call(body).then((response) => response.text());
  const [own, other, ratio] = await compare(effort, drained(ours), drained(bare));
  const us = (value: number, width: number) => `${value.toFixed(0).padStart(width)} us`;
  return `${name.padEnd(24)} ${us(own, 11)} ${us(other, 7)} ${ratio.toFixed(3).padStart(7)} ${(own - other).toFixed(1).padStart(7)} us`;
}

type Call = (body: string) => Promise<Response>;

/** Calls through `session.fetch`, held against those by `fetch` with the same credential. */
export async function overhead(effort: Effort): Promise<string> {
  const server = spawn(process.execPath, [fileURLToPath(new URL('./server.mjs', import.meta.url))]);
  const url = String((await once(server.stdout, 'data'))[0]).trim();
  await using session = await signedIn(url);
  await using alone = await signedIn(url, nothing);
  const through =
    (session: AuthSession): Call =>
    (body) =>
      session.fetch(url, { method: 'POST', headers: HEADERS, body });
  const authorization = session.authorization()?.headerValue ?? '';
  const by =
    (fetch: Fetch): Call =>
    (body) =>
      fetch(url, { method: 'POST', headers: { ...HEADERS, authorization }, body });
  const bare = by(fetch);
  const lines = [
    'over loopback            session.fetch      fetch   ratio (aim 1.05)',
    await row(effort, 'ping', through(session), bare),
    await row(effort, 'tools/call', through(session), bare),
    await row(effort, 'fetch against itself', bare, bare, 'ping'),
    'without a network',
    await row(effort, 'ping', through(alone), by(nothing)),
    await row(effort, 'tools/call', through(alone), by(nothing)),
  ];
  server.stdin.end();
  return `${lines.join('\n')}\n`;
}
