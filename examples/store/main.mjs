/**
 * A custom store: one file for each record, in a folder that only this process uses.
 *
 *     node main.mjs https://mcp.example.com/mcp folder
 *
 * `node main.mjs --check folder` checks it against the store contract. A store that several processes share must
 * implement leases itself (`tryLease`, `renewLease`, `releaseLease`); one on a disk should sync its writes. `FileStore`
 * does both.
 */

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { AuthSession, loopbackHost } from 'mcp-reauth';
import { checkStore } from 'mcp-reauth/testing';

/** Stores each record in a file. Synchronous code cannot be interleaved, so it needs no lock. */
class FolderStore {
  constructor(folder) {
    this.place = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** Profiles and addresses may be too long for a file name, and contain any character. */
  #path({ profile, server }) {
    return join(this.place, createHash('sha256').update(`${profile}\n${server}`).digest('hex'));
  }

  /** The first line is the version, the rest is the record; a deleted record has an empty rest. */
  #read(key) {
    let file;
    try {
      file = readFileSync(this.#path(key));
    } catch (error) {
      if (error.code === 'ENOENT') return { version: 0, data: undefined };
      throw error;
    }
    const end = file.indexOf('\n');
    const data = file.subarray(end + 1);
    return { version: Number(file.subarray(0, end)), data: data.length > 0 ? data : undefined };
  }

  /** Replaces a record if its version is `expected`, or creates it if there is none. */
  #replace(key, expected, data) {
    const held = this.#read(key);
    if ((held.data && held.version) !== expected) return undefined;
    const version = held.version + 1;
    const path = this.#path(key);
    writeFileSync(`${path}.new`, Buffer.concat([Buffer.from(`${version}\n`), data]), { mode: 0o600 });
    // Readers see either the old file or the new one.
    renameSync(`${path}.new`, path);
    return version;
  }

  load(key) {
    const { version, data } = this.#read(key);
    return data && { version, data };
  }

  save(key, data, expected) {
    return this.#replace(key, expected, data);
  }

  delete(key, expected) {
    // The version stays, so that later writes get a higher one.
    return this.#replace(key, expected, Buffer.alloc(0)) !== undefined;
  }
}

const [, , serverUrl, folder] = process.argv;
const store = new FolderStore(folder);
if (serverUrl === '--check') {
  for (const { name, failure } of await checkStore(store, store)) if (failure) throw new Error(`${name}: ${failure}`);
} else {
  const session = await AuthSession.open({ serverUrl, clientName: 'Store example', store, host: loopbackHost() });
  if (!session.authorization()) await session.signIn();
  console.log('signed in:', (await session.connectionState()).signedIn);
  await session.close();
}
