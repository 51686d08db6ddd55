import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { AuthSession, type Fetch } from 'mcp-reauth';

import { Fixture } from '../support/fixture.mjs';
import { Person } from '../support/person.mjs';

/** How many rounds to measure, and how many calls of each side in a round. */
export interface Effort {
  rounds: number;
  calls: number;
}

const message = (method: string) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { name: 'echo' } });
const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/**
 * Returns both times in microseconds and their ratio: medians over all calls. The sides alternate, so that load on the
 * machine affects both, and rare events do not count.
 */
async function compare(
  { rounds, calls }: Effort,
  ours: () => Promise<unknown>,
  bare: () => Promise<unknown>,
): Promise<[number, number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < 2 * calls * (rounds + 1); i++) {
    // Alternates which side goes first.
    const turn = (i + (i >> 1)) % 2 === 0 ? 0 : 1;
    const start = performance.now();
    await (turn === 0 ? ours : bare)();
    // The first round warms up.
    if (i >= 2 * calls) times[turn].push(1000 * (performance.now() - start));
  }
  const [own, other] = [median(times[0]), median(times[1])];
  return [own, other, own / other];
}

/** A signed-in session for any address. */
async function signedIn(serverUrl: string, fetch?: Fetch): Promise<AuthSession> {
  await using fixture = await Fixture.start();
  await using first = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person() });
  await first.signIn();
  const session = await AuthSession.open({ serverUrl, ...(fetch && { fetch }) });
  await session.setAuthState((await first.authState()) as object);
  return session;
}

const ANSWER = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'hello' }] } });
const EVENT = `event: message\ndata: ${ANSWER}\n\n`;
const STREAM = 'text/event-stream';

/** A `fetch` without a network, which leaves only the session's own work. */
const nothing: Fetch = async (_, init) => {
  const streams = new Headers(init?.headers).get('accept') === STREAM;
  return new Response(streams ? EVENT : ANSWER, { headers: { 'content-type': streams ? STREAM : 'application/json' } });
};

type Call = (body: string, headers: Record<string, string>) => Promise<Response>;

/** What to measure: one method, with a JSON or event stream response, and the number of concurrent calls. */
interface Kind {
  name: string;
  method: string;
  streams?: boolean;
  atOnce?: number;
}

/** Reads a response as the SDK does. */
async function read(response: Response): Promise<void> {
  if (response.headers.get('content-type') !== STREAM) {
    await response.json();
    return;
  }
  const reader = response.body?.pipeThrough(new TextDecoderStream() as never).getReader();
  while (reader && !(await reader.read()).done);
}

/** Compares a call with one `fetch`, including reading the response, with a call with another. */
async function row(effort: Effort, kind: Kind, ours: Call, bare: Call): Promise<string> {
  const { name, method, streams = false, atOnce = 1 } = kind;
  const body = message(method);
  const headers = streams ? { ...HEADERS, accept: STREAM } : HEADERS;
  const one = async (call: Call) => read(await call(body, headers));
  const drained = (call: Call) => () => Promise.all(Array.from({ length: atOnce }, () => one(call)));
  const calls = Math.ceil(effort.calls / atOnce);
  const [own, other, ratio] = await compare({ ...effort, calls }, drained(ours), drained(bare));
  const us = (value: number, width: number) => `${(value / atOnce).toFixed(0).padStart(width)} us`;
  const more = ((own - other) / atOnce).toFixed(1);
  return `${name.padEnd(32)} ${us(own, 11)} ${us(other, 7)} ${ratio.toFixed(3).padStart(7)} ${more.padStart(7)} us`;
}

const KINDS: Kind[] = [
  { name: 'JSON', method: 'ping' },
  { name: 'JSON, 16 at a time', method: 'ping', atOnce: 16 },
  { name: 'JSON of a tool', method: 'tools/call' },
  { name: 'JSON of a tool, 16 at a time', method: 'tools/call', atOnce: 16 },
  { name: 'events of a tool', method: 'tools/call', streams: true },
  { name: 'events of a tool, 16 at a time', method: 'tools/call', streams: true, atOnce: 16 },
];

/** Compares calls through `session.fetch` with calls through `fetch` with the same credential. */
export async function overhead(effort: Effort): Promise<string> {
  const server = spawn(process.execPath, [fileURLToPath(new URL('./server.mjs', import.meta.url))]);
  const url = String((await once(server.stdout, 'data'))[0]).trim();
  await using session = await signedIn(url);
  await using alone = await signedIn(url, nothing);
  const through =
    (session: AuthSession): Call =>
    (body, headers) =>
      session.fetch(url, { method: 'POST', headers, body });
  const authorization = session.authorization()?.headerValue ?? '';
  const by =
    (fetch: Fetch): Call =>
    (body, headers) =>
      fetch(url, { method: 'POST', headers: { ...headers, authorization }, body });
  const bare = by(fetch);
  const lines = ['over loopback                    session.fetch      fetch   ratio (aim 1.03)'];
  for (const kind of KINDS) lines.push(await row(effort, kind, through(session), bare));
  lines.push(await row(effort, { name: 'fetch against itself', method: 'ping' }, bare, bare));
  lines.push('without a network');
  for (const kind of KINDS) if (!kind.atOnce) lines.push(await row(effort, kind, through(alone), by(nothing)));
  server.stdin.end();
  return `${lines.join('\n')}\n`;
}
