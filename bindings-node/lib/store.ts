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

/** The right to renew one record's credential. */
export interface Lease {
  /** Gives it back. Nobody waits for it. */
  release(): unknown;
}

/**
 * Keeps records. Sessions of one process and of many share a store: every write says which version it replaces, so
 * that nobody overwrites newer tokens, and renewal is done under a lease, so that a refresh token is used once.
 */
export interface TokenStore {
  /** Where the records are, in words, for error messages to name. */
  readonly place?: string;
  /** Reads a record; `undefined` or `null` when there is none. */
  load(key: StoreKey): Awaitable<StoredRecord | undefined | null>;
  /**
   * Writes a record (`undefined`: deletes it), provided its version is still `expected` (`undefined`: provided there is
   * none), and returns its new version; `undefined` or `null` when somebody else has written since, and nothing was
   * changed. `data` is a text in UTF-8 (`data.toString()`), as bytes, which can be wiped. They are yours: keep them, or
   * wipe them (`data.fill(0)`) when they are written.
   */
  save(key: StoreKey, data: Buffer | undefined, expected: number | undefined): Awaitable<number | undefined | null>;
  /**
   * Takes the lease of a record if nobody holds it; it ends by itself after `ttlMs` milliseconds, since its holder may
   * have crashed. Without this method, leases are good within this process: leave it out only where no other process
   * uses the store.
   */
  tryLease?(key: StoreKey, ttlMs: number): Awaitable<Lease | undefined | null>;
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
 * Keeps records in one file that nobody else can read (mode 0600), shared by processes.
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
  ttl?: number;
}

/** The leases that are out, by number, whichever store they are of. */
const leases = new Map<number, Lease>();
let lastLease = 0;

/** A store in JavaScript, as the native part calls it. */
export class CalledStore {
  readonly #store: TokenStore;
  readonly #place: { hold(): void; letGo(): void };

  /** `place` is held while a lease is out: somebody has to be there to give it back. */
  constructor(store: TokenStore, place: { hold(): void; letGo(): void }) {
    this.#store = store;
    this.#place = place;
  }

  async call(method: string, { key, expected, ttl }: StoreInput, body: Uint8Array | undefined): Promise<unknown> {
    switch (method) {
      case 'store.load': {
        const record = checked('load', await this.#store.load(key), isRecord, 'a record {version, data}');
        return record && new WithBody({ version: record.version }, bytesOf(record.data));
      }
      case 'store.save': {
        const saved = await this.#store.save(key, body ? handedOver(body) : undefined, expected ?? undefined);
        return checked('save', saved, isVersion, 'the new version, a whole number');
      }
      default:
        return this.#lease(key, ttl ?? 0);
    }
  }

  async #lease(key: StoreKey, ttlMs: number): Promise<number | undefined> {
    const store = this.#store;
    let number: number | undefined;
    this.#place.hold();
    try {
      const lease = declares(store, 'tryLease') ? await store.tryLease?.(key, ttlMs) : leaseWithin(store, key);
      const granted = checked('tryLease', lease, isLease, 'a lease {release}');
      if (!granted) return undefined;
      number = ++lastLease;
      leases.set(number, granted);
      return number;
    } finally {
      if (number === undefined) this.#place.letGo();
    }
  }

  async release(id: number): Promise<void> {
    const lease = leases.get(id);
    leases.delete(id);
    this.#place.letGo();
    try {
      await lease?.release();
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
const isLease = (lease: Lease) => typeof declared(lease, 'release') === 'function';

/** Who holds a lease, by store and key. */
const held = new WeakMap<TokenStore, Set<string>>();

/** A lease that is good within this process. It needs no time to end by: it is always given back. */
function leaseWithin(store: TokenStore, key: StoreKey): Lease | undefined {
  const name = JSON.stringify([key.profile, key.server]);
  const names = held.get(store) ?? new Set();
  held.set(store, names);
  if (names.has(name)) return undefined;
  names.add(name);
  return { release: () => names.delete(name) };
}
