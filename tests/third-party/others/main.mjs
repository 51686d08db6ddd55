// Starts a third-party server by its name in `servers.mjs`, with a front that records requests. Prints the addresses as
// one line of JSON, and exits when its standard input ends.
//
// At `control`: `GET /requests`; `POST /hold` and `POST /release` for token requests; and instructions for the server:
// `POST /reject` (invalidates the issued access tokens), `/revoke` (grants), `/forget` (everything, as after a restart
// of an in-memory server), `/widen` (requires more scope from now on) and `/narrow` (as before).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import { Front } from './front.mjs';
import { SERVERS } from './servers.mjs';

/** The exit code that both suites take for a server that is not available on this machine. */
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
