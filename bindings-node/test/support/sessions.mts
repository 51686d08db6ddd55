/**
 * A program of its own (`node --expose-gc`): opens many sessions, and prints by how many bytes it grew meanwhile, once
 * more than it took to warm up. `close` closes each; `forget` forgets it without a word.
 */

import { AuthSession, MemoryStore, type TokenStore } from 'mcp-reauth';

import { Person } from './person.mjs';

const COUNT = 10_000;
/** The heap of a process grows to a size that suits it, and stays there. */
const WARM_UP = 10_000;
/** How many may wait to be collected: each version of the engine has its own idea. */
const UNCOLLECTED = 500;

const way = process.argv[2];

/** A store in JavaScript, which a session calls when it is opened. */
const store: TokenStore = { load: () => undefined, save: () => 1, delete: () => true };

async function open(i: number): Promise<AuthSession> {
  const session = await AuthSession.open({
    serverUrl: 'http://127.0.0.1:9/mcp',
    clientName: 'memory',
    host: new Person(),
    store: i % 2 === 0 ? store : new MemoryStore(),
    fetch,
  });
  session.addEventListener('renewed', () => session.serverUrl);
  session.events();
  return session;
}

async function run(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const session = await open(i);
    if (way === 'close') await session.close();
    if (i % UNCOLLECTED === 0) await collected();
  }
}

async function collected(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    gc?.();
    // Finalizers run between turns of the loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What is in use when everything that can be collected was: on JavaScript's heap, and outside of it. */
async function used(): Promise<{ heap: number; outside: number }> {
  await collected();
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  // How much room the heap takes is the engine's own business, and more in each version.
  return { heap: heapUsed + external, outside: rss - heapTotal };
}

await run(WARM_UP);
const before = await used();
await run(COUNT);
const after = await used();
console.log(JSON.stringify({ heap: after.heap - before.heap, outside: after.outside - before.outside, count: COUNT }));
