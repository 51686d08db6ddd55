// Providers for the TypeScript SDK, as its documentation describes them: with the required methods, and with all optional
// ones that matter here. Both keep what they are given in a file.

import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const REDIRECT_URL = 'http://127.0.0.1:9/callback';

/** The required methods. Client information is saved, because without it nothing could be registered. */
export class MinimalProvider {
  redirectUrl = REDIRECT_URL;
  clientMetadata = {
    client_name: 'peer',
    redirect_uris: [REDIRECT_URL],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
  #file;
  #callback;

  constructor(folder) {
    this.#file = join(folder, 'provider.json');
  }

  read() {
    try {
      return JSON.parse(readFileSync(this.#file, 'utf8'));
    } catch {
      return {};
    }
  }

  change(members) {
    const next = `${this.#file}.${process.pid}`;
    writeFileSync(next, JSON.stringify({ ...this.read(), ...members }), { mode: 0o600 });
    renameSync(next, this.#file);
  }

  clientInformation() {
    return this.read().client;
  }

  saveClientInformation(client) {
    this.change({ client });
  }

  tokens() {
    return this.read().tokens;
  }

  saveTokens(tokens) {
    this.change({ tokens });
  }

  saveCodeVerifier(verifier) {
    this.change({ verifier });
  }

  codeVerifier() {
    return this.read().verifier;
  }

  /** Visits the page as the person, and keeps the callback for `finishAuth`. */
  async redirectToAuthorization(url) {
    const page = await fetch(url, { redirect: 'manual' });
    const location = page.headers.get('location');
    if (!location) throw new Error(`the sign-in page has status ${page.status}`);
    const callback = new URL(location).searchParams;
    if (!this.accepts(url, callback)) throw new Error('a callback with another state');
    this.#callback = callback;
  }

  accepts() {
    return true;
  }

  /** The parameters of the last callback, once. */
  takeCallback() {
    const callback = this.#callback;
    this.#callback = undefined;
    return callback;
  }
}

/** With the optional methods. */
export class FullProvider extends MinimalProvider {
  state() {
    return randomUUID();
  }

  /** The SDK leaves the comparison of `state` to its user. */
  accepts(page, callback) {
    return page.searchParams.get('state') === callback.get('state');
  }

  discoveryState() {
    return this.read().discovery;
  }

  saveDiscoveryState(discovery) {
    this.change({ discovery });
  }

  invalidateCredentials(scope) {
    const names = { client: ['client'], tokens: ['tokens'], verifier: ['verifier'], discovery: ['discovery'] };
    const all = Object.values(names).flat();
    this.change(Object.fromEntries((names[scope] ?? all).map((name) => [name, undefined])));
  }
}
