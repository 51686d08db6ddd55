import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { AuthSession } from 'mcp-reauth';

const SESSIONS = 4000;

function memory(): number {
  // Twice: the second run frees what the first one's finalizers release.
  for (let i = 0; i < 2; i++) global.gc?.();
  return process.memoryUsage().rss;
}

/** Milliseconds until the package is imported in a new process, and until a session is open. */
function start(): [imported: number, opened: number] {
  const entry = fileURLToPath(import.meta.resolve('mcp-reauth'));
  const program = `
    const begun = performance.now();
    const { AuthSession } = await import(${JSON.stringify(entry)});
    const imported = performance.now();
    await AuthSession.open({ serverUrl: 'https://mcp.example/mcp' });
    console.log(JSON.stringify([imported - begun, performance.now() - imported]));`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program]);
  return JSON.parse(String(printed)) as [number, number];
}

const middle = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** The cost of an idle session, and of the start. */
export async function idle(trial: boolean): Promise<string> {
  const starts = Array.from({ length: trial ? 1 : 15 }, start);
  const count = trial ? 10 : SESSIONS;
  const open = async () => {
    const sessions: AuthSession[] = [];
    const begun = performance.now();
    while (sessions.length < count) sessions.push(await AuthSession.open({ serverUrl: 'https://mcp.example/mcp' }));
    return [sessions, (1000 * (performance.now() - begun)) / count] as const;
  };
  // The first sessions also allocate what the later ones share.
  const [first] = await open();
  const before = memory();
  const [sessions, us] = await open();
  const kB = (memory() - before) / count / 1000;
  for (const session of first) await session.close();
  for (const session of sessions) await session.close();
  const line = (name: string, value: number, unit: string) =>
    `${name.padEnd(40)} ${value.toFixed(1).padStart(7)} ${unit}`;
  return [
    line('import (aim 10)', middle(starts.map(([imported]) => imported)), 'ms'),
    line('first session', middle(starts.map(([, opened]) => opened)), 'ms'),
    line('another session (aim 40)', us, 'us'),
    line('a session that is idle (aim 4)', kB, 'kB'),
    '',
  ].join('\n');
}
