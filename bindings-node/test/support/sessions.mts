/**
 * Opens many sessions (`node --expose-gc`), and prints by how many bytes the process grew after a warm-up. `close`
 * closes each session; `forget` drops it without closing.
 */

import { AuthSession, MemoryStore, type TokenStore } from 'mcp-reauth';

import { Person } from './person.mjs';

const COUNT = 10_000;
/** The heap grows to a suitable size during the warm-up, and stays there. */
const WARM_UP = 10_000;
/** How many may await collection: this differs between versions of the engine. */
const UNCOLLECTED = 500;

const way = process.argv[2];

/** A JavaScript store, which a session calls when it is opened. */
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
    // Finalizers run between turns of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The memory in use after a full collection: on JavaScript's heap, and outside of it. */
async function used(): Promise<{ heap: number; outside: number }> {
  await collected();
  const { heapUsed, heapTotal, external, rss } = process.memoryUsage();
  // The engine decides the heap's size, and newer versions use more.
  return { heap: heapUsed + external, outside: rss - heapTotal };
}

await run(WARM_UP);
const before = await used();
await run(COUNT);
const after = await used();
console.log(JSON.stringify({ heap: after.heap - before.heap, outside: after.outside - before.outside, count: COUNT }));
