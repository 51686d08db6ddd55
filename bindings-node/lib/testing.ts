/** Checks for what an application brings along: its tests run them. */

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

/** What one check came to. */
export interface StoreCheck {
  /** What the store is to do. */
  readonly name: string;
  /** What it did instead; `null`: it passed. */
  readonly failure: string | null;
}

/**
 * Holds a store against the contract of {@link TokenStore}: what came of each check.
 *
 * ```ts
 * for (const { name, failure } of await checkStore(store)) test(name, () => assert.equal(failure, null))
 * ```
 *
 * `other` is another way to the same records, as another process has it: a second connection to the same database. The
 * checks write records of the profile `mcp-reauth-check` and of others that begin with that, and delete them; they take some seconds, since leases have to
 * lapse.
 *
 * Throws a `ReauthError` with the code `config` where a method of a store is missing.
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

/** A store that is checked, as the native part calls it. */
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
