import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { AuthSession, type Fetch } from 'mcp-reauth';

import { Fixture } from '../support/fixture.mjs';
import { Person } from '../support/person.mjs';

const ROUNDS = 41;
const CALLS = 200;

const message = (method: string) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { name: 'echo' } });
const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

/** Microseconds that a call takes. */
async function time(calls: number, call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < calls; i++) await call();
  return ((performance.now() - start) * 1000) / calls;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Both in turns, so that whatever else the machine does hits both. */
async function compare(ours: () => Promise<unknown>, bare: () => Promise<unknown>): Promise<[number, number, number]> {
  const [own, other, ratios]: number[][] = [[], [], []];
  for (let round = 0; round <= ROUNDS; round++) {
    const [a, b] =
      round % 2 === 0
        ? [await time(CALLS, ours), await time(CALLS, bare)]
        : [await time(CALLS, bare), await time(CALLS, ours)].reverse();
    // The first round warms up.
    if (round === 0 || a === undefined || b === undefined) continue;
    own?.push(a);
    other?.push(b);
    ratios?.push(a / b);
  }
  return [median(own ?? []), median(other ?? []), median(ratios ?? [])];
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

/** A call through `session.fetch`, held against one by `fetch` with the same credential. */
export async function overhead(): Promise<string> {
  const server = spawn(process.execPath, [fileURLToPath(new URL('./server.mjs', import.meta.url))]);
  const url = String((await once(server.stdout, 'data'))[0]).trim();
  await using session = await signedIn(url);
  const authorization = session.authorization()?.headerValue ?? '';
  const lines = ['call over loopback        session.fetch      fetch   ratio (aim 1.05)'];
  for (const method of ['ping', 'tools/call']) {
    const body = message(method);
    const drain = (response: Response) => response.text();
    const [ours, bare, ratio] = await compare(
      () => session.fetch(url, { method: 'POST', headers: HEADERS, body }).then(drain),
      () => fetch(url, { method: 'POST', headers: { ...HEADERS, authorization }, body }).then(drain),
    );
    lines.push(
      `${method.padEnd(24)} ${ours.toFixed(0).padStart(11)} us ${bare.toFixed(0).padStart(7)} us ${ratio.toFixed(3).padStart(7)}`,
    );
  }
  server.stdin.end();

  // The same without a network: what is left is the session's own work.
  const answer = new Response();
  const nothing: Fetch = async (_, init) => {
    new Headers(init?.headers);
    return answer;
  };
  await using alone = await signedIn(url, nothing);
  const body = message('ping');
  const [ours, bare] = await compare(
    () => alone.fetch(url, { method: 'POST', headers: HEADERS, body }),
    () => nothing(url, { method: 'POST', headers: { ...HEADERS, authorization }, body }),
  );
  lines.push(`of its own, without network ${(ours - bare).toFixed(1).padStart(8)} us a call`);
  return `${lines.join('\n')}\n`;
}
