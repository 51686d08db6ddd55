/** A program whose workers have calls to their hosts pending while they are terminated, or end. */

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { AuthSession } from 'mcp-reauth';

import { answers, call } from '../support/adversary.mjs';
import { Person } from '../support/person.mjs';
import { LeasingStore } from '../support/stores.mjs';

if (isMainThread) {
  const [, , serverUrl = ''] = process.argv;
  const session = await AuthSession.open({ serverUrl, host: new Person() });
  for (const way of ['host', 'store', 'host', 'fetch', 'store', 'exit', 'throw', 'close']) {
    const workers = Array.from(
      { length: 3 },
      () => new Worker(new URL(import.meta.url), { workerData: { way, serverUrl } }),
    );
    for (const worker of workers) worker.on('error', () => {});
    // A worker that fails also exits.
    const event = (worker: Worker, name: string) => new Promise((resolve) => worker.once(name, resolve));
    const ended = workers.map((worker) => event(worker, 'exit'));
    const outstanding = workers.map((worker) => event(worker, 'message'));
    await Promise.all(outstanding.map((message, number) => Promise.race([message, ended[number]])));
    if (['host', 'store', 'fetch'].includes(way)) for (const worker of workers) void worker.terminate();
    await Promise.all(ended);
    // The sessions of other threads continue.
    await answers(session, serverUrl);
    console.log(way);
  }
  await session.signOut();
  await session.close();
} else {
  const { way, serverUrl } = workerData as { way: string; serverUrl: string };
  const outstanding = () => {
    parentPort?.postMessage('outstanding');
    if (way === 'exit') process.exit(3);
    if (way === 'throw') setImmediate(() => Promise.reject(new Error('the worker fails')));
    if (way === 'close') setImmediate(() => session.close());
    return new Promise<never>(() => {});
  };
  const person = new Person();
  const store = new LeasingStore();
  const host =
    way === 'store' || way === 'fetch'
      ? person
      : { ...person, redirectUri: person.redirectUri, confirmStepUp: () => true, authorize: outstanding };
  if (way === 'store') store.before = (method) => (method === 'save' ? outstanding() : undefined);
  const session = await AuthSession.open({ serverUrl, host, store, ...(way === 'fetch' && { fetch: outstanding }) });
  await (way === 'fetch' ? session.signIn() : call(session, serverUrl, 'echo')).catch(() => {});
}
