/**
 * Calls a tool several times at once on a session with a file store and without a user, and prints the result as one
 * line of JSON. Its argument is JSON. With `waits`, it opens the session, prints `ready`, and starts when it reads a
 * line.
 */

import { once } from 'node:events';

import { AuthSession, FileStore, ReauthError } from 'mcp-reauth';

import { MODERN, succeeds } from './clients.mjs';

interface Task {
  url: string;
  store: string;
  calls: number;
  waits?: boolean;
}

const { url, store, calls, waits }: Task = JSON.parse(process.argv[2] ?? '');
const session = await AuthSession.open({ serverUrl: url, store: new FileStore(store) });
if (waits) {
  console.log('ready');
  await once(process.stdin, 'data');
}
const client = await MODERN.connect(url, session.fetch);
const ended = await Promise.allSettled(Array.from({ length: calls }, () => succeeds(client, 'echo')));
const failed = ended.flatMap((call) => (call.status === 'rejected' ? [call.reason] : []));
console.log(
  JSON.stringify({
    succeeded: calls - failed.length,
    failed: failed.map((error) => (error instanceof ReauthError ? error.code : String(error))),
  }),
);
await client.close();
await session.close();
process.stdin.unref?.();
