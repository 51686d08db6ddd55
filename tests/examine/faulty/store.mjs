// The store of the faulty client: a file, and a lock for the processes that share it.

import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A lock that is older was left by a process that has crashed. */
const STALE = 60_000;

export class Store {
  #file;
  #lock;

  constructor(folder) {
    this.#file = join(folder, 'tokens.json');
    this.#lock = join(folder, 'lock');
  }

  async read() {
    const text = await readFile(this.#file, 'utf8').catch(() => '{}');
    return JSON.parse(text);
  }

  async write(state) {
    const next = `${this.#file}.${process.pid}`;
    await writeFile(next, JSON.stringify(state), { mode: 0o600 });
    await rename(next, this.#file);
  }

  /** Runs `work` while no other process does. */
  async locked(work) {
    while (!(await this.#acquire())) await sleep(10);
    try {
      return await work();
    } finally {
      await rm(this.#lock, { recursive: true, force: true });
    }
  }

  async #acquire() {
    try {
      await mkdir(this.#lock);
      return true;
    } catch {
      const since = (await stat(this.#lock).catch(() => undefined))?.mtimeMs ?? Date.now();
      if (Date.now() - since > STALE) await rm(this.#lock, { recursive: true, force: true });
      return false;
    }
  }
}
