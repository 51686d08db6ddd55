// Examines the faulty client: without a mistake it passes every scenario, and each mistake fails the scenarios that name
// it, but no other of a few that have nothing to do with it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { EVERYWHERE, MISTAKES } from './faulty/mistakes.mjs';

const PROGRAM = process.env.MCP_REAUTH_TESTED;
const CLIENT = fileURLToPath(new URL('./faulty/client.mjs', import.meta.url));
/** What every mistake but those that concern all sign-ins leaves well. */
const BASICS = ['first-sign-in', 'restart', 'step-up'];

/** Examines the client with a mistake, and returns the results by scenario. */
function examine(mistake, only) {
  const options = ['examine', '--json', ...(only ? ['--only', only.join(',')] : [])];
  const env = { ...process.env, MISTAKE: mistake };
  return new Promise((resolve, reject) => {
    const ended = (error, stdout, stderr) => {
      if (error && error.code !== 1) return reject(new Error(`${error}: ${stderr}`));
      const reports = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      return resolve({ reports, code: error ? 1 : 0 });
    };
    execFile(PROGRAM, [...options, '--', process.execPath, CLIENT], { env }, ended);
  });
}

test('without a mistake it passes', async () => {
  const { reports, code } = await examine('');
  const failed = reports.filter(({ passed }) => !passed);
  assert.deepEqual(failed, []);
  assert.equal(code, 0);
});

for (const [mistake, [kind, fails]] of Object.entries(MISTAKES)) {
  test(mistake, async () => {
    const others = EVERYWHERE.includes(mistake) ? [] : BASICS;
    const { reports, code } = await examine(mistake, [...new Set([...fails, ...others])]);
    const failed = reports.filter(({ passed }) => !passed);
    const names = failed.map(({ scenario }) => scenario);
    assert.deepEqual(names.sort(), [...fails].sort(), JSON.stringify(reports, null, 1));
    for (const report of failed) {
      const kinds = report.problems.map((problem) => problem.kind);
      assert.ok(kinds.includes(kind), JSON.stringify(report, null, 1));
    }
    assert.equal(code, 1);
  });
}
