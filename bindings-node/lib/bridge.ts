/** What the native part asks of a session's JavaScript: its host, its store, its `fetch`. See `bindings-common/src/call.rs`. */

import type { AsyncResource } from 'node:async_hooks';

import { memberOf, wordsOf } from './describe.js';
import { native } from './native.js';

/** What a call comes with. */
export interface CallContext {
  /** Aborted when the native part does not wait for the call any more. */
  signal: AbortSignal;
  body: Uint8Array | undefined;
}

/** What a call returns besides its JSON value. The body is a copy of our own: it may be secret, and is wiped. */
export class WithBody {
  constructor(
    readonly value: unknown,
    readonly body: Buffer,
  ) {}
}

/** Why a call is not answered, where more is to be told than an exception says, which is its cause. */
export class Refusal {
  /** It is certain that nothing was sent to a server. */
  readonly #unsent: boolean;

  constructor(
    readonly message: string,
    unsent: boolean,
    readonly cause: unknown,
  ) {
    this.#unsent = unsent;
  }

  get unsent(): boolean {
    return this.#unsent;
  }

  /** Whether it is one. What was thrown may defend itself against being looked at. */
  static is(value: unknown): value is Refusal {
    return typeof value === 'object' && value !== null && #unsent in value;
  }
}

/** What a session can be asked. */
export interface Callee {
  /** Where calls run, as far as `AsyncLocalStorage` is concerned. */
  readonly scope: AsyncResource;
  /** May return anything or a promise of it, throw, or never return. */
  call(method: string, input: unknown, context: CallContext): unknown;
  /** What a call returned came when it was not waited for any more. */
  unheard(method: string, input: unknown, value: unknown): void;
  /** No caller waits for an answer. */
  tell(method: string, input: unknown): void;
}

const places = new Map<number, Place>();
const running = new Map<number, AbortController>();
const collected = new FinalizationRegistry((id: number) => places.delete(id));
let lastId = 0;

/**
 * Where the native part finds a callee. It is held weakly, so that a session without references can be collected
 * although native code could still call it; but not while something is out that only it can take back.
 */
export class Place {
  readonly id = ++lastId;
  readonly #callee: WeakRef<Callee>;
  #held: Callee | undefined;
  #holds = 0;
  #left = false;

  constructor(callee: Callee) {
    this.#callee = new WeakRef(callee);
    places.set(this.id, this);
    collected.register(callee, this.id);
  }

  get callee(): Callee | undefined {
    return this.#callee.deref();
  }

  /** Something is out, which it has to be found for, also after it was left. */
  hold(): void {
    this.#holds += 1;
    this.#held = this.callee;
    places.set(this.id, this);
  }

  /** It is back. */
  letGo(): void {
    this.#holds -= 1;
    if (this.#holds > 0) return;
    this.#held = undefined;
    if (this.#left) this.leave();
  }

  /** Nothing more is asked of it, once everything is back. */
  leave(): void {
    this.#left = true;
    if (!this.#held) places.delete(this.id);
  }
}

/** How many exceptions are kept for the errors they are behind. */
const MAX_THROWN = 1024;
const thrown = new Map<number, unknown>();
let lastThrown = 0;

function keep(error: unknown): number {
  thrown.set(++lastThrown, error);
  thrown.delete(lastThrown - MAX_THROWN);
  return lastThrown;
}

/** The exception with that number, as the `cause` of an error, unless very many others were thrown since. */
export function caught(id: number): { cause?: unknown } {
  return thrown.has(id) ? { cause: thrown.get(id) } : {};
}

export const bridge = new native.Bridge((session, call, method, input, body) => {
  if (method === 'cancel') {
    running.get(call)?.abort(new DOMException('nobody waits for it any more', 'AbortError'));
    return;
  }
  const callee = places.get(session)?.callee;
  if (!callee) {
    if (call !== 0) bridge.settle(call, refusal(new Error('the session is gone')));
    return;
  }
  callee.scope.runInAsyncScope(() => {
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
    const heard = bridge.settle(call, reply(value), bytes);
    // The native part has a copy.
    bytes?.fill(0);
    if (!heard) callee.unheard(method, input, value);
  } catch (error) {
    bridge.settle(call, refusal(error));
  } finally {
    running.delete(call);
  }
}

/** The native part reads Unicode, which half of a surrogate pair is not. */
const wellFormed = (_: string, part: unknown) => (typeof part === 'string' ? part.toWellFormed() : part);

const reply = (value: unknown) => JSON.stringify({ ok: value ?? null }, wellFormed);

function refusal(refused: unknown): string {
  const [error, unsent] = Refusal.is(refused) ? [refused.cause, refused.unsent] : [refused, false];
  const [name, code] = [memberOf(error, 'name'), memberOf(error, 'code')];
  const cancelled = name === 'AbortError' || (name === 'ReauthError' && code === 'cancelled');
  // The native part says whose part it was, which an error of ours has said already.
  const detail = name === 'ReauthError' && !Refusal.is(refused) ? memberOf(error, 'detail') : undefined;
  const message = typeof detail === 'string' ? detail : wordsOf(refused);
  return JSON.stringify({ error: { message, cancelled, unsent, thrown: keep(error) } });
}
