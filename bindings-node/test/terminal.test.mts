/** `loopbackHost()` on a real terminal, with simulated typing. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const LIMIT = { timeout: 20_000 };
const program = fileURLToPath(new URL('./programs/questions.mjs', import.meta.url));

/** Runs the program on a new terminal, types the answers when asked, and returns the screen. */
async function atTerminal(answers: string[], ...args: string[]): Promise<{ screen: string; code: number }> {
  const command = [process.execPath, program, ...args].map((word) => `'${word}'`).join(' ');
  const terminal = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let screen = '';
  let asked = 0;
  terminal.stdout.on('data', (text) => {
    screen += text;
    while (screen.split('[y/N]').length - 1 > asked) {
      const answer = answers[asked];
      asked += 1;
      if (answer !== undefined) terminal.stdin.write(answer);
    }
  });
  const [code] = await once(terminal, 'close');
  return { screen: screen.replaceAll('\r', ''), code };
}

for (const [typed, agreed] of [
  ['y\n', true],
  ['YES\n', true],
  ['n\n', false],
  ['\n', false],
  ['yolo\n', false],
] as const) {
  test(`${JSON.stringify(typed)} is a ${agreed ? 'yes' : 'no'}`, LIMIT, async () => {
    const { screen, code } = await atTerminal([typed], '1');
    assert.match(screen, /More access needed: server 1 needs the permission "mcp:write" to run the tool "write_note"/);
    assert.match(screen, new RegExp(`answers: \\[${agreed}\\]`));
    assert.equal(code, 0);
  });
}

test('one answer is for one question, though several are asked at once', LIMIT, async () => {
  const { screen } = await atTerminal(['y\n', 'n\n', 'y\n'], '3');
  assert.match(screen, /answers: \[true,false,true\]/);
  const [first, second] = [screen.indexOf('[y/N]'), screen.indexOf('server 2')];
  assert.ok(first < second, 'the second question waits for the answer to the first');
});

test('Ctrl-C ends the program', LIMIT, async () => {
  const { screen, code } = await atTerminal(['\u0003'], '1');
  assert.doesNotMatch(screen, /answers/);
  assert.equal(code, 130);
});

test('nobody is asked who agrees to everything', LIMIT, async () => {
  const { screen } = await atTerminal([], '2', 'yes');
  assert.match(screen, /answers: \[true,true\]/);
  assert.doesNotMatch(screen, /y\/N/);
});

test('without a terminal it says so', LIMIT, async () => {
  const child = spawn(process.execPath, [program, '1'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 1);
  assert.match(said, /there is no terminal to ask on; run it in a terminal, or give loopbackHost/);
});
