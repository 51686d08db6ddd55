// Examines our clients and those of others in one run, and writes docs/peers.md. With words, only the peers whose title has
// one of them, and the table is only printed.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { happyPath } from './happy.mjs';
import { PEERS } from './peers.mjs';
import { page } from './table.mjs';

const PROGRAM = process.env.MCP_REAUTH_TESTED;
const PAGE = fileURLToPath(new URL('../../docs/peers.md', import.meta.url));

/** How many clients are examined at once: most of the time, those that fail wait. */
const AT_ONCE = 3;

/** Examines a client, and returns the reports of its scenarios. */
function examine({ title, command }) {
  return new Promise((resolve, reject) => {
    const examining = spawn(PROGRAM, ['examine', '--json', '--timeout', '10', '--', ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const reports = [];
    let rest = '';
    examining.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const report = JSON.parse(line);
        reports.push(report);
        process.stderr.write(`\r\x1b[K${title}: ${report.scenario}`);
      }
    });
    examining.on('error', reject);
    examining.on('close', (code) => {
      process.stderr.write('\r\x1b[K');
      if (code > 1 || reports.length === 0) reject(new Error(`${title} could not be examined: exit code ${code}`));
      else resolve(reports);
    });
  });
}

const words = process.argv.slice(2);
const peers = PEERS.filter(({ title }) => words.length === 0 || words.some((word) => title.includes(word)));
const examined = new Array(peers.length);
let next = 0;
async function work() {
  for (let index = next++; index < peers.length; index = next++) {
    examined[index] = { ...peers[index], reports: await examine(peers[index]) };
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
const text = page(examined, await happyPath(peers));
if (words.length === 0) writeFileSync(PAGE, text);
console.log(text);
