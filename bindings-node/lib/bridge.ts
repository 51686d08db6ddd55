/** What the native part asks of a session's JavaScript: its host, its store, its `fetch`. See `src/bridge.rs`. */

import { AsyncResource } from 'node:async_hooks';

import { native } from './native.js';

/** What a call comes with. */
export interface CallContext {
  /** Aborted when the native part does not wait for the call any more. */
  signal: AbortSignal;
  body: Uint8Array | undefined;
}

/** What a call returns besides its JSON value. */
export class WithBody {
  constructor(
    readonly value: unknown,
    readonly body: Uint8Array,
  ) {}
}

/** What a session can be asked. */
export interface Callee {
  /** May return anything or a promise of it, throw, or never return. */
  call(method: string, input: unknown, context: CallContext): unknown;
  /** Nobody waits for an answer. */
  tell(method: string, input: unknown): void;
}

interface Entry {
  callee: WeakRef<Callee>;
  /** Calls run where the session was opened, as far as `AsyncLocalStorage` is concerned. */
  scope: AsyncResource;
}

const entries = new Map<number, Entry>();
const running = new Map<number, AbortController>();
const collected = new FinalizationRegistry((id: number) => entries.delete(id));
let lastId = 0;

/**
 * Makes a session known, and returns what it is called by. It is held weakly, so that one that everybody forgot can be
 * collected although native code could still call it.
 */
export function register(callee: Callee): number {
  const id = ++lastId;
  entries.set(id, { callee: new WeakRef(callee), scope: new AsyncResource('AuthSession') });
  collected.register(callee, id, callee);
  return id;
}

export function unregister(id: number, callee: Callee): void {
  entries.delete(id);
  collected.unregister(callee);
}

/** How many exceptions are kept for the errors they are behind. */
const MAX_THROWN = 64;
const thrown = new Map<number, unknown>();
let lastThrown = 0;

function keep(error: unknown): number {
  thrown.set(++lastThrown, error);
  thrown.delete(lastThrown - MAX_THROWN);
  return lastThrown;
}

/** The exception with that number, as the `cause` of an error, unless many others were thrown since. */
export function caught(id: number): { cause?: unknown } {
  return thrown.has(id) ? { cause: thrown.get(id) } : {};
}

export const bridge = new native.Bridge((session, call, method, input, body) => {
  if (method === 'cancel') {
    running.get(call)?.abort(new DOMException('nobody waits for it any more', 'AbortError'));
    return;
  }
  const entry = entries.get(session);
  const callee = entry?.callee.deref();
  if (!callee) {
    if (call !== 0) bridge.settle(call, refusal(new Error('the session is gone')));
    return;
  }
  entry?.scope.runInAsyncScope(() => {
    if (call === 0) callee.tell(method, JSON.parse(input));
    else void answer(callee, call, method, JSON.parse(input), body);
  });
});

async function answer(callee: Callee, call: number, method: string, input: unknown, body?: Uint8Array): Promise<void> {
  const controller = new AbortController();
  running.set(call, controller);
  try {
    const returned = await callee.call(method, input, { signal: controller.signal, body });
    const [value, bytes] = returned instanceof WithBody ? [returned.value, returned.body] : [returned];
    bridge.settle(call, JSON.stringify({ ok: value ?? null }), bytes && Buffer.from(bytes));
  } catch (error) {
    bridge.settle(call, refusal(error));
  } finally {
    running.delete(call);
  }
}

function refusal(error: unknown): string {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  const cancelled = name === 'AbortError' || (name === 'ReauthError' && code === 'cancelled');
  return JSON.stringify({ error: { message: wordsOf(error), cancelled, thrown: keep(error) } });
}

/** What an exception says, whatever it is. */
function wordsOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return 'it threw something that cannot be told of';
  }
}
