/** A worker of the soak that uses the Node package. It does as those in Rust do; see src/wire.rs for what is told. */

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

/** Begins to do what is told; nothing here waits. */
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
