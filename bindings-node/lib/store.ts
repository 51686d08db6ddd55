import { WithBody } from './bridge.js';
import { declared, declares, describe } from './describe.js';
import { misconfigured } from './error.js';
import { native } from './native.js';
import type { Awaitable } from './types.js';

/** The key of a record: profile and server together. */
export interface StoreKey {
  /** The user or tenant. Users of one backend never share records. */
  profile: string;
  /** The MCP server's address, or `idp:` and the issuer of an identity provider. */
  server: string;
}

/** A stored record. Stores do not interpret its data. */
export interface StoredRecord {
  /** An integer that increases with every write of this key, also after a deletion. */
  version: number;
  /** The record: a string, or its UTF-8 bytes. It holds secrets. */
  data: string | Uint8Array;
}

/**
 * Stores records. Sessions of one or more processes can share a store: every write names the version it replaces, so
 * that no session overwrites newer tokens, and a renewal holds a lease, so that a refresh token is used once. Test your
 * store with `checkStore` of `mcp-reauth/testing`.
 */
export interface TokenStore {
  /** Describes the store's location in error messages. */
  readonly place?: string;
  /** Reads a record; `undefined` or `null` when there is none. */
  load(key: StoreKey): Awaitable<StoredRecord | undefined | null>;
  /**
   * Writes a record if its version is still `expected` (`undefined`: if there is none), and returns its new version;
   * `undefined` or `null` if another write came first, and nothing was changed. `data` is UTF-8 text
   * (`data.toString()`), as bytes, which can be wiped. They belong to the store: keep them, or wipe them
   * (`data.fill(0)`) after writing.
   */
  save(key: StoreKey, data: Buffer, expected: number | undefined): Awaitable<number | undefined | null>;
  /**
   * Deletes a record if its version is still `expected`, and returns whether it did. Later writes of this key must
   * still have higher versions.
   */
  delete(key: StoreKey, expected: number): Awaitable<boolean>;
  /**
   * Takes the lease of a record for `ttlMs` milliseconds unless another holder has it, and returns a value that
   * identifies it among all leases of this key, such as a random string. It is renewed every 3 s while it is needed; if
   * its holder crashes, others wait for at most `ttlMs`.
   *
   * Without this method and the next two, leases work within this process only: leave them out only if no other process
   * uses the store.
   */
  tryLease?(key: StoreKey, ttlMs: number): Awaitable<string | undefined | null>;
  /**
   * Extends a lease to `ttlMs` milliseconds from now, atomically with the check that this holder still has it, and
   * returns whether it does. A lapsed lease that no other holder has taken may be extended or refused.
   */
  renewLease?(key: StoreKey, lease: string, ttlMs: number): Awaitable<boolean>;
  /** Releases a lease if this holder still has it. The return value is ignored. */
  releaseLease?(key: StoreKey, lease: string): unknown;
}

const natives = new WeakMap<object, native.Store>();

/** The native object of a built-in store. */
export function nativeStore(store: object): native.Store | undefined {
  return natives.get(store);
}

/** Stores records in memory, for all sessions that use this object. */
export class MemoryStore {
  readonly place = 'in memory';

  constructor() {
    natives.set(this, native.Store.memory());
  }
}

/**
 * Stores records in one file with mode 0600. Several processes can share it.
 *
 * ```ts
 * const store = new FileStore(join(homedir(), '.my-client', 'credentials.json'))
 * ```
 */
export class FileStore {
  /** The path of the file. */
  readonly place: string;

  constructor(path: string) {
    if (typeof path !== 'string' || path === '') {
      throw misconfigured(`the path of a FileStore must be a string, and is ${path === '' ? 'empty' : describe(path)}`);
    }
    this.place = path;
    natives.set(this, native.Store.file(path));
  }
}

/** The input of a call to a store. */
interface StoreInput {
  key: StoreKey;
  expected?: number | null;
  lease?: string;
  ttl?: number;
}

/** A lease to release. */
export interface LeaseInput {
  key: StoreKey;
  lease: string;
}

/** Calls a store in JavaScript for the native part. */
export class CalledStore {
  readonly #store: TokenStore;
  readonly #place: { hold(): void; letGo(): void };

  /** `place` is held while a lease is held, so that the lease can be released. */
  constructor(store: TokenStore, place: { hold(): void; letGo(): void }) {
    this.#store = store;
    this.#place = place;
  }

  async call(method: string, input: StoreInput, body: Uint8Array | undefined): Promise<unknown> {
    const { key, lease = '', ttl = 0 } = input;
    const expected = input.expected ?? undefined;
    const store = this.#store;
    switch (method) {
      case 'store.load': {
        const record = checked('load', await store.load(key), isRecord, 'a record {version, data}');
        return record && new WithBody({ version: record.version }, bytesOf(record.data));
      }
      case 'store.save': {
        const saved = await store.save(key, handedOver(body ?? new Uint8Array()), expected);
        return checked('save', saved, isVersion, 'the new version, a whole number');
      }
      case 'store.delete':
        return whether('delete', await store.delete(key, expected as number));
      case 'store.renewLease':
        return whether('renewLease', await store.renewLease?.(key, lease, ttl));
      default:
        return this.#lease(key, ttl);
    }
  }

  async #lease(key: StoreKey, ttlMs: number): Promise<string | undefined> {
    const lease = await this.#store.tryLease?.(key, ttlMs);
    const granted = checked('tryLease', lease, isLease, 'a string that identifies the lease');
    if (granted !== undefined) this.#place.hold();
    return granted;
  }

  /** Releases a lease that was granted after the native part stopped waiting. */
  unheard(method: string, { key }: StoreInput, value: unknown): void {
    if (method === 'store.tryLease' && typeof value === 'string') void this.#release({ key, lease: value });
  }

  /** Handles notifications. */
  tell(method: string, lease: LeaseInput | null): void {
    if (method === 'store.leaseOut') this.#place.hold();
    else if (method === 'store.leaseBack') this.#place.letGo();
    else if (lease) void this.#release(lease);
  }

  async #release({ key, lease }: LeaseInput): Promise<void> {
    this.#place.letGo();
    try {
      await this.#store.releaseLease?.(key, lease);
    } catch {
      // The lease lapses by itself.
    }
  }
}

/** Copies a record into our own memory. The original belongs to the store. */
function bytesOf(data: string | Uint8Array): Buffer {
  if (typeof data !== 'string') return copyOf(data);
  const text = data.toWellFormed();
  const bytes = Buffer.alloc(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

/** Copies to a buffer outside the pool that small buffers share. */
function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.alloc(bytes.byteLength);
  copy.set(bytes);
  return copy;
}

/** Gives the application its own copy, and wipes the original. */
function handedOver(bytes: Uint8Array): Buffer {
  const copy = copyOf(bytes);
  bytes.fill(0);
  return copy;
}

function checked<T>(
  method: string,
  value: T | undefined | null,
  is: (value: T) => boolean,
  what: string,
): T | undefined {
  if (value === undefined || value === null) return undefined;
  if (is(value)) return value;
  throw new TypeError(`store.${method} must return ${what}, or undefined`);
}

const isVersion = (version: unknown) => Number.isSafeInteger(version) && (version as number) >= 0;
const isRecord = (record: StoredRecord) => {
  const [version, data] = [declared(record, 'version'), declared(record, 'data')];
  return isVersion(version) && (typeof data === 'string' || data instanceof Uint8Array);
};
const isLease = (lease: unknown) => typeof lease === 'string' && lease !== '';

function whether(method: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new TypeError(`store.${method} must return true or false, and returned ${describe(value)}`);
}

const within = new WeakMap<object, native.Leases>();

/** The in-process leases of an application's store without leases, shared by all its sessions. */
export function leasesWithin(store: object): native.Leases | undefined {
  if (nativeStore(store) || (declares(store, 'tryLease') && (store as TokenStore).tryLease)) return undefined;
  const leases = within.get(store) ?? new native.Leases();
  within.set(store, leases);
  return leases;
}
