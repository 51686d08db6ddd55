// The loop of a client for `mcp-reauth examine`: it starts each command at once, and prints the results.

import { createInterface } from 'node:readline';

/** Carries out commands by these functions until standard input ends. */
export function serve({ connect, call, close }) {
  async function carryOut({ id, do: what, tool }) {
    try {
      await (what === 'connect' ? connect() : call(tool));
      console.log(JSON.stringify({ id, ok: true }));
    } catch (error) {
      console.log(JSON.stringify({ id, ok: false, error: String(error) }));
    }
  }
  const commands = createInterface({ input: process.stdin });
  commands.on('line', (line) => carryOut(JSON.parse(line)));
  commands.on('close', async () => {
    await close().catch(() => {});
    process.exit();
  });
}

/** Rejects a tool's error result. */
export function check({ isError, content }) {
  if (isError) throw new Error(JSON.stringify(content));
}
