import { randomUUID } from 'node:crypto';

import type { StoredRecord, StoreKey, TokenStore } from 'mcp-reauth';

/** A JavaScript store as an application writes one: in memory, with versions. */
export class MapStore implements TokenStore {
  readonly place: string = 'the map of the test';
  readonly #records = new Map<string, StoredRecord>();
  #version = 0;
  /** Called at the start of each method: it may throw, wait, or write a record itself. */
  before: (method: 'load' | 'save' | 'delete', key: StoreKey) => unknown = () => undefined;
  /** The number of calls of each method. */
  readonly calls = { load: 0, save: 0, delete: 0 };

  async load(key: StoreKey): Promise<StoredRecord | undefined> {
    this.calls.load++;
    await this.before('load', key);
    return this.#records.get(name(key));
  }

  async save(key: StoreKey, data: Buffer, expected: number | undefined): Promise<number | undefined> {
    this.calls.save++;
    await this.before('save', key);
    if (this.#records.get(name(key))?.version !== expected) return undefined;
    const version = ++this.#version;
    this.#records.set(name(key), { version, data });
    return version;
  }

  async delete(key: StoreKey, expected: number): Promise<boolean> {
    this.calls.delete++;
    await this.before('delete', key);
    if (this.#records.get(name(key))?.version !== expected) return false;
    return this.#records.delete(name(key));
  }

  /** All records. */
  get records(): ReadonlyMap<string, StoredRecord> {
    return this.#records;
  }

  /** The only record, parsed. */
  get record(): { version: number; data: { grant?: { access_token: string; refresh_token?: string } } } {
    const [record, ...more] = this.#records.values();
    if (!record || more.length > 0) throw new Error(`${this.#records.size} records instead of one`);
    return { version: record.version, data: JSON.parse(record.data.toString()) };
  }
}

/** The same with leases. */
export class LeasingStore extends MapStore {
  readonly #held = new Map<string, { lease: string; until: number }>();
  /** The number of leases requested, granted, renewed and released. */
  readonly leases = { asked: 0, granted: 0, renewed: 0, released: 0 };
  readonly ttls: number[] = [];
  /** Called before a lease is granted; `false` refuses it. */
  beforeLease: () => unknown = () => undefined;
  /** Called after a release. */
  onRelease: () => void = () => undefined;

  async tryLease(key: StoreKey, ttlMs: number): Promise<string | undefined> {
    this.leases.asked++;
    this.ttls.push(ttlMs);
    if ((await this.beforeLease()) === false || (this.#held.get(name(key))?.until ?? 0) > Date.now()) return undefined;
    const lease = randomUUID();
    this.#held.set(name(key), { lease, until: Date.now() + ttlMs });
    this.leases.granted++;
    return lease;
  }

  async renewLease(key: StoreKey, lease: string, ttlMs: number): Promise<boolean> {
    if (this.#held.get(name(key))?.lease !== lease) return false;
    this.#held.set(name(key), { lease, until: Date.now() + ttlMs });
    this.leases.renewed++;
    return true;
  }

  releaseLease(key: StoreKey, lease: string): void {
    if (this.#held.get(name(key))?.lease !== lease) return;
    this.#held.delete(name(key));
    this.leases.released++;
    this.onRelease();
  }
}

function name({ profile, server }: StoreKey): string {
  return JSON.stringify([profile, server]);
}
