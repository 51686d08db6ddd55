// Starts a server that others wrote, by its name in `servers.mjs`, with a front that counts what it is asked. Prints the
// addresses as one line of JSON, and ends with its standard input.
//
// At `control`: `GET /requests`; `POST /hold` and `POST /release` for token requests; and what the server itself can be
// told: `POST /reject` (access tokens that are out), `/revoke` (grants), `/forget` (everything, as after a restart of a
// server that keeps all in memory), `/widen` (more scope is needed from now on) and `/narrow` (as before).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import { Front } from './front.mjs';
import { SERVERS } from './servers.mjs';

/** What both suites take for a server that cannot be had on this machine. */
const CANNOT_BE_HAD = 3;

const [name] = process.argv.slice(2);
const { command, title, remarks, ...settings } = SERVERS[name] ?? {};
if (!command) throw new Error(`there is no server ${name}`);

const front = new Front();
let server;
const mcp = await front.listen(() => server.mcp);
const issuer = settings.together ? mcp : await front.listen(() => server.issuer);

const [program, ...args] = command;
if (!existsSync(program)) {
  console.error(`SKIPPED: ${title}, as tests/third-party/install could not install it`);
  process.exit(CANNOT_BE_HAD);
}
const child = spawn(program, [...args, JSON.stringify({ ...settings, mcp, issuer })], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
child.on('exit', (code) => {
  console.error(`${name} ended with ${code}`);
  process.exit(1);
});
const [line] = await once(createInterface({ input: child.stdout }), 'line');
server = JSON.parse(line);

const control = createServer(async (request, response) => {
  const what = request.url.slice(1);
  if (what === 'requests') {
    const { requests, held } = front;
    return response.setHeader('content-type', 'application/json').end(JSON.stringify({ requests, held }));
  }
  if (what === 'hold' || what === 'release') {
    front[what]();
    return response.writeHead(204).end();
  }
  const answer = await fetch(`${server.control}/${what}`, { method: request.method });
  response.writeHead(answer.status).end(await answer.text());
}).listen(0, '127.0.0.1');
control.keepAliveTimeout = 0;
await once(control, 'listening');

for (const end of ['SIGTERM', 'SIGINT']) process.on(end, () => process.exit());
process.stdin.on('end', () => process.exit()).resume();
const { version, wire } = server;
const addresses = { mcp: `${mcp}/mcp`, issuer, control: `http://127.0.0.1:${control.address().port}` };
console.log(JSON.stringify({ ...settings, ...addresses, version, wire }));
