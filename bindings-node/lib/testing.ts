/** Checks for an application's own components, to run in its tests. */

import { AsyncResource } from 'node:async_hooks';

import { bridge, type CallContext, type Callee, Place } from './bridge.js';
import { isObject } from './check.js';
import { describe } from './describe.js';
import { misconfigured, unwrap } from './error.js';
import { native } from './native.js';
import { placeOf } from './options.js';
import {
  CalledStore,
  type FileStore,
  type LeaseInput,
  leasesWithin,
  type MemoryStore,
  nativeStore,
  type TokenStore,
} from './store.js';

/** The result of one check. */
export interface StoreCheck {
  /** The required behaviour. */
  readonly name: string;
  /** What the store did instead; `null` if the check passed. */
  readonly failure: string | null;
}

/**
 * Checks a store against the contract of {@link TokenStore}, and returns the result of each check.
 *
 * ```ts
 * for (const { name, failure } of await checkStore(store)) test(name, () => assert.equal(failure, null))
 * ```
 *
 * `other` is a second object for the same records, as another process has it, such as a second database connection. The
 * checks write and delete records of the profile `mcp-reauth-check` and of others that begin with it. They take some
 * seconds, because leases must lapse.
 *
 * Throws a `ReauthError` with the code `config` if a method of a store is missing.
 */
export async function checkStore(
  store: TokenStore | MemoryStore | FileStore,
  other: TokenStore | MemoryStore | FileStore = store,
): Promise<StoreCheck[]> {
  const [one, two] = [new Checked(store), new Checked(other)];
  try {
    return unwrap<StoreCheck[]>(await native.checkStore(one.native, two.native));
  } finally {
    for (const { place } of [one, two]) {
      place.letGo();
      place.leave();
    }
  }
}

/** Makes a store callable for the native checks. */
class Checked implements Callee {
  readonly place = new Place(this);
  readonly scope = new AsyncResource('checkStore');
  readonly native: native.Store;
  readonly #store: CalledStore;

  constructor(store: object) {
    if (!isObject(store)) throw misconfigured(`a store must be an object, and is ${describe(store)}`);
    placeOf(store);
    this.#store = new CalledStore(store as TokenStore, this.place);
    this.native = nativeStore(store) ?? native.Store.called(bridge, this.place.id, leasesWithin(store));
    this.place.hold();
  }

  call(method: string, input: unknown, context: CallContext): unknown {
    return this.#store.call(method, input as never, context.body);
  }

  unheard(method: string, input: unknown, value: unknown): void {
    this.#store.unheard(method, input as never, value);
  }

  tell(method: string, input: unknown): void {
    this.#store.tell(method, input as LeaseInput | null);
  }
}
