import { WithBody } from './bridge.js';
import { declared, declares, describe } from './describe.js';
import { misconfigured } from './error.js';
import { native } from './native.js';
import type { Awaitable } from './types.js';

/** Which record: whose authorization, for what. Both together are the key. */
export interface StoreKey {
  /** Whose authorization it is. Users of one backend never meet. */
  profile: string;
  /** The MCP server's address, or `idp:` and the issuer of an identity provider. */
  server: string;
}

/** A record as a store keeps it. Stores do not look inside. */
export interface StoredRecord {
  /** Grows with every write of this key, also after it was deleted. A whole number. */
  version: number;
  /** The record: a text, in UTF-8 where it is bytes. It holds secrets. */
  data: string | Uint8Array;
}

/**
 * Keeps records. Sessions of one process and of many share a store: every write says which version it replaces, so
 * that no session overwrites newer tokens, and renewal is done under a lease, so that a refresh token is used once.
 * `checkStore` of `mcp-reauth/testing` tells whether a store keeps to all this.
 */
export interface TokenStore {
  /** Where the records are, in words, for error messages to name. */
  readonly place?: string;
  /** Reads a record; `undefined` or `null` when there is none. */
  load(key: StoreKey): Awaitable<StoredRecord | undefined | null>;
  /**
   * Writes a record, provided its version is still `expected` (`undefined`: provided there is none), and returns its
   * new version; `undefined` or `null` when another has written since, and nothing was changed. `data` is a text in
   * UTF-8 (`data.toString()`), as bytes, which can be wiped. They are yours: keep them, or wipe them (`data.fill(0)`)
   * when they are written.
   */
  save(key: StoreKey, data: Buffer, expected: number | undefined): Awaitable<number | undefined | null>;
  /**
   * Deletes a record, provided its version is still `expected`: whether it did. What is written under this key later has
   * a higher version all the same.
   */
  delete(key: StoreKey, expected: number): Awaitable<boolean>;
  /**
   * Takes the lease of a record for `ttlMs` milliseconds, unless another has it, and returns what tells it from all
   * others of this key, such as a random text. It is renewed every 3 s for as long as it is needed; a holder that
   * crashed keeps others waiting for `ttlMs`, no longer.
   *
   * Without this method and the next two, leases are good within this process: leave them out only where no other
   * process uses the store.
   */
  tryLease?(key: StoreKey, ttlMs: number): Awaitable<string | undefined | null>;
  /**
   * Lets a lease last for `ttlMs` milliseconds from now, in one step with looking whether it is this holder's: whether it
   * is. One that lapsed is, unless another has taken it since; a store that forgets what lapsed may say no.
   */
  renewLease?(key: StoreKey, lease: string, ttlMs: number): Awaitable<boolean>;
  /** Ends a lease, if it is this holder's still. What it returns is not waited for. */
  releaseLease?(key: StoreKey, lease: string): unknown;
}

const natives = new WeakMap<object, native.Store>();

/** The native part of a store that has one. */
export function nativeStore(store: object): native.Store | undefined {
  return natives.get(store);
}

/** Keeps records in memory, for all sessions that are given it. */
export class MemoryStore {
  readonly place = 'in memory';

  constructor() {
    natives.set(this, native.Store.memory());
  }
}

/**
 * Keeps records in one file that only its owner can read (mode 0600), shared by processes.
 *
 * ```ts
 * const store = new FileStore(join(homedir(), '.my-client', 'credentials.json'))
 * ```
 */
export class FileStore {
  /** Where it is. */
  readonly place: string;

  constructor(path: string) {
    if (typeof path !== 'string' || path === '') {
      throw misconfigured(`the path of a FileStore must be a text, and is ${path === '' ? 'empty' : describe(path)}`);
    }
    this.place = path;
    natives.set(this, native.Store.file(path));
  }
}

/** What the native part asks of a store. */
interface StoreInput {
  key: StoreKey;
  expected?: number | null;
  lease?: string;
  ttl?: number;
}

/** A lease that is given back. */
export interface LeaseInput {
  key: StoreKey;
  lease: string;
}

/** A store in JavaScript, as the native part calls it. */
export class CalledStore {
  readonly #store: TokenStore;
  readonly #place: { hold(): void; letGo(): void };

  /** `place` is held while a lease is out: it has to be there for the lease to be given back. */
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
    const granted = checked('tryLease', lease, isLease, 'a text that stands for the lease');
    if (granted !== undefined) this.#place.hold();
    return granted;
  }

  /** What a call returned came when it was not waited for any more. */
  unheard(method: string, { key }: StoreInput, value: unknown): void {
    if (method === 'store.tryLease' && typeof value === 'string') void this.#release({ key, lease: value });
  }

  /** What the native part does not wait for. */
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
      // It ends by itself.
    }
  }
}

/** A copy of our own. The store's is the store's. */
function bytesOf(data: string | Uint8Array): Buffer {
  if (typeof data !== 'string') return copyOf(data);
  const text = data.toWellFormed();
  const bytes = Buffer.alloc(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

/** Outside of the memory that small buffers share. */
function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.alloc(bytes.byteLength);
  copy.set(bytes);
  return copy;
}

/** What the native part gave, as the application's own. */
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

/** The leases of an application's store that has none: the same for all sessions at it, and good within this process. */
export function leasesWithin(store: object): native.Leases | undefined {
  if (nativeStore(store) || (declares(store, 'tryLease') && (store as TokenStore).tryLease)) return undefined;
  const leases = within.get(store) ?? new native.Leases();
  within.set(store, leases);
  return leases;
}
