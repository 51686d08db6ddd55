// The happy path: a call with a valid token, compared with the same client without authorization, which sends a token that
// it is given. Both sides take turns, so that what else the machine does affects both.

import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PROGRAM = process.env.MCP_REAUTH_TESTED;
const [ROUNDS, PAIRS, WARM_UP] = [15, 40, 60];
const CLIENT = { client_id: 'bare', client_secret: 'a-secret', grant_types: ['client_credentials'] };

/** A process that is told something by lines, and answers by lines. */
class Talker {
  #process;
  #waiting = [];
  #id = 0;

  constructor([program, ...args], env) {
    this.#process = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'ignore'] });
    const lines = createInterface({ input: this.#process.stdout });
    lines.on('line', (line) => line.startsWith('{') && this.#waiting.shift()?.resolve(JSON.parse(line)));
    this.#process.on('close', () => {
      for (const { reject } of this.#waiting) reject(new Error(`${program} ${args.join(' ')} ended`));
    });
  }

  line() {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async tell(command) {
    const answer = this.line();
    this.#process.stdin.write(`${JSON.stringify({ id: ++this.#id, ...command })}\n`);
    const { ok, error } = await answer;
    if (!ok) throw new Error(error);
  }

  async timed() {
    const start = process.hrtime.bigint();
    await this.tell({ do: 'call', tool: 'echo' });
    return Number(process.hrtime.bigint() - start) / 1000;
  }

  async end() {
    const ended = new Promise((resolve) => this.#process.on('close', resolve));
    this.#process.stdin.end();
    const late = setTimeout(() => this.#process.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(late);
  }

  kill() {
    this.#process.kill('SIGKILL');
  }
}

const sorted = (values) => [...values].sort((a, b) => a - b);
const quantile = (values, q) => sorted(values)[Math.floor(q * (values.length - 1))];
const median = (values) => quantile(values, 0.5);

/** The servers, with a client that can have a token without a person. */
async function serve(folder) {
  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify({ registration: { clients: [CLIENT] } }));
  const server = new Talker([PROGRAM, 'serve-fixture', '--json', '--config', config]);
  const { mcpUrl, issuer } = await server.line();
  const basic = Buffer.from(`${CLIENT.client_id}:${CLIENT.client_secret}`).toString('base64');
  const granted = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: mcpUrl }),
  });
  return { server, mcpUrl, token: (await granted.json()).access_token };
}

/** The program that visits pages, as `examine` provides it. */
function browser(folder) {
  const script = join(folder, 'browser');
  writeFileSync(script, `#!/bin/sh\n'${PROGRAM}' examine --visit "$1" >/dev/null 2>&1 &\n`);
  chmodSync(script, 0o700);
  return script;
}

async function compare(peer, { mcpUrl, token }, folder) {
  const start = (command, name, more) => {
    const store = join(folder, name);
    mkdirSync(store);
    const MCP_CONFORMANCE_PROTOCOL_VERSION = '2025-11-25';
    const env = {
      MCP_REAUTH_EXAMINE_STORE: store,
      MCP_CONFORMANCE_PROTOCOL_VERSION,
      BROWSER: browser(folder),
      ...more,
    };
    return new Talker([...command, mcpUrl], env);
  };
  const sides = [
    start(peer.command, `${peer.title}`, {}),
    start(peer.bare ?? peer.command, `${peer.title}, bare`, { PEER_TOKEN: token }),
  ];
  for (const side of sides) {
    await side.tell({ do: 'connect' });
    for (let i = 0; i < WARM_UP; i++) await side.timed();
  }
  const times = [[], []];
  const ratios = [];
  for (let round = 0; round < ROUNDS; round++) {
    const own = [[], []];
    for (let pair = 0; pair < PAIRS; pair++) {
      for (const side of pair % 2 ? [0, 1] : [1, 0]) own[side].push(await sides[side].timed());
    }
    ratios.push(median(own[0]) / median(own[1]));
    for (const side of [0, 1]) times[side].push(...own[side]);
  }
  for (const side of sides) await side.end();
  const [low, middle, high] = [0.25, 0.5, 0.75].map((q) => quantile(ratios, q).toFixed(3));
  const us = (values) => `${median(values).toFixed(0)} us`;
  return [peer.title, `${middle} (${low} to ${high})`, us(times[0]), us(times[1]), peer.bareTitle];
}

/** The table. */
export async function happyPath(peers) {
  const folder = mkdtempSync(join(tmpdir(), 'peers-'));
  const servers = await serve(folder);
  const rows = [];
  try {
    for (const peer of peers) {
      process.stderr.write(`\r\x1b[K${peer.title}: happy path`);
      rows.push(await compare(peer, servers, folder));
    }
  } finally {
    process.stderr.write('\r\x1b[K');
    servers.server.kill();
    rmSync(folder, { recursive: true, force: true });
  }
  return { rounds: ROUNDS, rows };
}
