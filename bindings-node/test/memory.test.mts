import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const program = fileURLToPath(new URL('./support/sessions.mjs', import.meta.url));

/** The allowed growth for each of ten thousand sessions, in bytes: less than a Map entry. */
const EACH = 64;
/** The allowed growth of the allocator, in bytes. One session takes about four thousand. */
const SLACK = 4 * 1024 * 1024;

for (const way of ['close', 'forget']) {
  test(`memory is back where it was after 10,000 sessions that one ${way}s`, { timeout: 120_000 }, async (t) => {
    const { stdout } = await run(process.execPath, ['--expose-gc', program, way]);
    const { heap, outside, count } = JSON.parse(stdout);
    t.diagnostic(`the heap grew by ${heap} bytes, what is outside by ${outside}`);
    assert.ok(heap < EACH * count, `the heap grew by ${heap} bytes`);
    assert.ok(outside < SLACK, `what is outside of the heap grew by ${outside} bytes`);
  });
}
