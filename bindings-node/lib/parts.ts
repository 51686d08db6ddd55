import { AsyncResource } from 'node:async_hooks';

import { type CallContext, type Callee, Place } from './bridge.js';
import { CurrentCredential } from './credential.js';
import { describe } from './describe.js';
import type { EventStream } from './events.js';
import { type AuthHost, callHost } from './host.js';
import type { native } from './native.js';
import { nodeNetwork } from './network.js';
import type { CheckedOptions } from './options.js';
import { callFetch } from './outgoing-fetch.js';
import { CalledStore, type LeaseInput, nativeStore, type TokenStore } from './store.js';
import type { SessionEvent } from './types.js';

/** The parts of a session that the application implements. */
export class Parts implements Callee {
  readonly place = new Place(this);
  readonly scope = new AsyncResource('AuthSession');
  readonly streams = new Set<EventStream>();
  readonly current = new CurrentCredential();
  /** The session, as target of its events. Weak: an application that dropped the session receives none. */
  target: WeakRef<EventTarget> | undefined;
  /** The session accepts no more operations. */
  isClosed = false;
  readonly #options: CheckedOptions;
  readonly #store: CalledStore | undefined;

  constructor(options: CheckedOptions) {
    const { store } = options;
    this.#options = options;
    this.#store = store && !nativeStore(store) ? new CalledStore(store as TokenStore, this.place) : undefined;
  }

  call(method: string, input: unknown, context: CallContext): unknown {
    const { host, fetch, assertion } = this.#options;
    if (method.startsWith('store.')) return this.#store?.call(method, input as never, context.body);
    if (method === 'fetch') return callFetch(fetch, input as never, context);
    if (method === 'network') return nodeNetwork();
    if (method !== 'assertion') return callHost(host as AuthHost, method, input, context);
    return checkAssertion(assertion?.((input as { audience: string }).audience, context));
  }

  unheard(method: string, input: unknown, value: unknown): void {
    this.#store?.unheard(method, input as never, value);
  }

  tell(method: string, input: unknown): void {
    if (method.startsWith('store.')) {
      this.#store?.tell(method, input as LeaseInput | null);
      return;
    }
    this.current.forget();
    const event = input as SessionEvent;
    for (const stream of this.streams) stream.push(event);
    this.target?.deref()?.dispatchEvent(new CustomEvent(event.kind, { detail: event }));
  }
}

async function checkAssertion(given: unknown): Promise<string> {
  const assertion = await given;
  if (typeof assertion === 'string') return assertion;
  throw new TypeError(`credentials.assertion must return a string, and returned ${describe(assertion)}`);
}

/** An open session: the native object, and the parts that it calls, which live as long as code can use the session. */
export interface OpenSession {
  readonly native: native.Session;
  readonly parts: Parts;
}
