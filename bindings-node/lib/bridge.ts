/** Calls from the native part to a session's JavaScript: host, store and `fetch`. See `bindings-common/src/call.rs`. */

import type { AsyncResource } from 'node:async_hooks';

import { memberOf, wordsOf } from './describe.js';
import { native } from './native.js';

/** What accompanies a call. */
export interface CallContext {
  /** Aborted when the native part no longer waits for the call. */
  signal: AbortSignal;
  body: Uint8Array | undefined;
}

/** A JSON value and a body that a call returns. The body is our own copy: it may be secret, and is wiped. */
export class WithBody {
  constructor(
    readonly value: unknown,
    readonly body: Buffer,
  ) {}
}

/** The failure of a call with more facts than the exception, its cause, holds. */
export class Refusal {
  /** Certainly nothing was sent to a server. */
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

  /** Whether a value is a `Refusal`. A thrown value may be a proxy that throws when it is inspected. */
  static is(value: unknown): value is Refusal {
    return typeof value === 'object' && value !== null && #unsent in value;
  }
}

/** A target of calls: a session's parts, a terminal or a store that is checked. */
export interface Callee {
  /** The async context in which calls run (`AsyncLocalStorage`). */
  readonly scope: AsyncResource;
  /** May return anything or a promise, throw, or never settle. */
  call(method: string, input: unknown, context: CallContext): unknown;
  /** Receives the result of a call that the native part no longer waits for. */
  unheard(method: string, input: unknown, value: unknown): void;
  /** Receives a notification. */
  tell(method: string, input: unknown): void;
}

const places = new Map<number, Place>();
const running = new Map<number, AbortController>();
const collected = new FinalizationRegistry((id: number) => places.delete(id));
let lastId = 0;

/**
 * Registers a callee for the native part. The reference is weak, so that an unreferenced session can be collected
 * although native code could still call it. While `hold` is in effect it is strong.
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

  /** Keeps the callee alive, also after `leave`. */
  hold(): void {
    this.#holds += 1;
    this.#held = this.callee;
    places.set(this.id, this);
  }

  /** Ends a `hold`. */
  letGo(): void {
    this.#holds -= 1;
    if (this.#holds > 0) return;
    this.#held = undefined;
    if (this.#left) this.leave();
  }

  /** Unregisters the callee, once every `hold` has ended. */
  leave(): void {
    this.#left = true;
    if (!this.#held) places.delete(this.id);
  }
}

/** How many exceptions are kept as causes for later errors. */
const MAX_THROWN = 1024;
const thrown = new Map<number, unknown>();
let lastThrown = 0;

function keep(error: unknown): number {
  thrown.set(++lastThrown, error);
  thrown.delete(lastThrown - MAX_THROWN);
  return lastThrown;
}

/** The exception with that number, as the `cause` of an error, unless newer ones have displaced it. */
export function caught(id: number): { cause?: unknown } {
  return thrown.has(id) ? { cause: thrown.get(id) } : {};
}

export const bridge = new native.Bridge((session, call, method, input, body) => {
  if (method === 'cancel') {
    running.get(call)?.abort(new DOMException('the call was cancelled', 'AbortError'));
    return;
  }
  const callee = places.get(session)?.callee;
  if (!callee) {
    if (call !== 0) bridge.settle(call, refusal(new Error('the session no longer exists')));
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
    // `settle` has copied the bytes.
    bytes?.fill(0);
    if (!heard) callee.unheard(method, input, value);
  } catch (error) {
    bridge.settle(call, refusal(error));
  } finally {
    running.delete(call);
  }
}

/** Rust strings must be valid Unicode, which a lone surrogate is not. */
const wellFormed = (_: string, part: unknown) => (typeof part === 'string' ? part.toWellFormed() : part);

const reply = (value: unknown) => JSON.stringify({ ok: value ?? null }, wellFormed);

function refusal(refused: unknown): string {
  const [error, unsent] = Refusal.is(refused) ? [refused.cause, refused.unsent] : [refused, false];
  const [name, code] = [memberOf(error, 'name'), memberOf(error, 'code')];
  const cancelled = name === 'AbortError' || (name === 'ReauthError' && code === 'cancelled');
  // The native part adds its own prefix, which a `ReauthError` has in its message already but not in its detail.
  const detail = name === 'ReauthError' && !Refusal.is(refused) ? memberOf(error, 'detail') : undefined;
  const message = typeof detail === 'string' ? detail : wordsOf(refused);
  return JSON.stringify({ error: { message, cancelled, unsent, thrown: keep(error) } });
}
