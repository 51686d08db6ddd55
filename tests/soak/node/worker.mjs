/** A worker of the soak with the Node package. It works like the Rust workers; src/wire.rs describes the messages. */

import { createInterface } from 'node:readline';

import { Caller } from './caller.mjs';
import { tell } from './tell.mjs';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const task = JSON.parse((await lines.next()).value);
const common = { paused: false, cancel: new AbortController() };
const callers = await Promise.all(task.sessions.map((session) => Caller.open(task, session, common)));
tell({ told: 'ready' });
for (const caller of callers) void caller.goOn();

const of = (session) => callers.find((caller) => caller.number === session);

/** Starts to execute an order, without waiting. */
const orders = {
  pause() {
    common.paused = true;
    void Promise.all(callers.map((caller) => caller.quiet())).then(() => tell({ told: 'quiet' }));
  },
  check() {
    void Promise.all(callers.map((caller) => caller.check())).then(() => tell({ told: 'checked' }));
  },
  cancel() {
    common.cancel.abort();
    common.cancel = new AbortController();
  },
  sign_out({ session }) {
    void of(session)?.signOut();
  },
  sign_in({ session }) {
    void of(session)?.signIn();
  },
};

for await (const line of lines) {
  const order = JSON.parse(line);
  if (order.order === 'end') break;
  orders[order.order](order);
}
await Promise.all(callers.map((caller) => caller.end()));
process.exit(0);
