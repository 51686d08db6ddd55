// The authorization of the faulty client: one request, and what is done when it is rejected.

import { setTimeout as sleep } from 'node:timers/promises';

import { makes } from './mistakes.mjs';
import { challengeOf, discover, Refused, refresh, register, signIn, Transient } from './oauth.mjs';

/** A token that expires within this time is renewed before it is used. */
const AHEAD = 500;
const RETRY_AFTER = 100;

export class Session {
  #server;
  #store;
  #state = {};
  #renewing;
  #asking = Promise.resolve();

  constructor(server, store) {
    this.#server = server;
    this.#store = store;
  }

  async open() {
    if (!makes('forgets-at-restart')) this.#state = await this.#store.read();
  }

  /** Sends a request with a token, and recovers once from each kind of rejection. */
  async send(init) {
    const tried = { renewal: false, signIn: false, stepUp: false };
    for (;;) {
      const failed = await this.#token();
      const headers = { ...init.headers, ...(failed && { authorization: `Bearer ${failed}` }) };
      const response = await this.#fetch({ ...init, headers });
      const challenge = challengeOf(response);
      if (response.status === 401) await this.#unauthorized(failed, challenge, tried);
      else if (response.status === 403 && makes('loops-on-403')) await this.#again(failed, challenge);
      else if (response.status === 403 && challenge.error === 'insufficient_scope') {
        await this.#forbidden(failed, challenge, tried);
      } else return response;
    }
  }

  async #fetch(init) {
    const response = await fetch(this.#server, { ...init, redirect: 'manual' });
    const elsewhere = response.headers.get('location');
    // By hand, because fetch drops the token on the way to another origin.
    return elsewhere && makes('follows-redirects') ? fetch(elsewhere, init) : response;
  }

  /** The current access token, renewed if it is known to have expired. */
  async #token() {
    const { tokens } = this.#state;
    if (!tokens || makes('ignores-expiry') || tokens.expires - Date.now() > AHEAD) return tokens?.access;
    await this.#renew(tokens.access);
    return this.#state.tokens?.access;
  }

  async #unauthorized(failed, challenge, tried) {
    if (makes('loops-on-401')) tried.renewal = tried.signIn = false;
    const held = this.#state.tokens?.refresh && !makes('prompts-at-401');
    if (held && !tried.renewal) {
      tried.renewal = true;
      if (await this.#renew(failed)) return;
    }
    if (tried.signIn) throw new Error('rejected again after a new sign-in');
    tried.signIn = true;
    await this.#ask(failed, challenge, true);
  }

  async #forbidden(failed, challenge, tried) {
    if (tried.stepUp) throw new Error('rejected again after a step-up');
    tried.stepUp = true;
    if (makes('refreshes-for-scope')) await this.#renew(failed);
    else await this.#ask(failed, challenge, false);
  }

  async #again(failed, challenge) {
    if (challenge.error) await this.#ask(failed, challenge, false);
  }

  /** Renews the token once for all callers and processes. Returns false if the server has refused for good. */
  #renew(failed) {
    if (makes('refreshes-in-parallel')) return this.#refresh();
    this.#renewing ??= this.#store
      .locked(async () => {
        await this.#adopt();
        return this.#state.tokens?.access !== failed || this.#refresh();
      })
      .finally(() => {
        this.#renewing = undefined;
      });
    return this.#renewing;
  }

  async #adopt() {
    const stored = makes('forgets-at-restart') ? {} : await this.#store.read();
    if (stored.tokens) this.#state = stored;
  }

  async #refresh() {
    if (makes('crosses-issuers')) this.#state.metadata = await discover(this.#server, {});
    for (let tries = makes('gives-up-on-503') ? 2 : 1; ; tries++) {
      try {
        this.#state.tokens = await refresh({ server: this.#server, ...this.#state });
        await this.#store.write(this.#state);
        return true;
      } catch (error) {
        if (error instanceof Refused) return this.#refused(error);
        if (makes('discards-after-errors')) return this.#discard();
        if (!(error instanceof Transient) || tries > 1) throw error;
        await sleep(RETRY_AFTER);
      }
    }
  }

  async #discard() {
    this.#state.tokens = undefined;
    await this.#store.write(this.#state);
    return false;
  }

  #refused(error) {
    if (error.message === 'invalid_client' && !makes('keeps-a-dead-client')) this.#state.client = undefined;
    return false;
  }

  /** Asks the person, one page at a time; a page that another caller needed as well is enough. */
  #ask(failed, challenge, discovering) {
    const asking = this.#asking.then(() => this.#signIn(failed, challenge, discovering));
    this.#asking = makes('asks-each-time') ? this.#asking : asking.catch(() => {});
    return asking;
  }

  async #signIn(failed, challenge, discovering) {
    const { tokens } = this.#state;
    const needed = challenge.scope?.split(' ') ?? [];
    const covered = needed.every((scope) => tokens?.scopes.includes(scope));
    if (tokens && tokens.access !== failed && covered && !makes('asks-each-time')) return;
    const known = this.#state.metadata;
    const metadata = discovering || !known ? await discover(this.#server, challenge) : known;
    const { client: registered } = this.#state;
    const client = registered?.issuer === metadata.issuer ? registered : await register(metadata);
    const kept = makes('forgets-scopes') ? [] : (tokens?.scopes ?? []);
    const scopes = [...new Set([...kept, ...needed])];
    const granted = await signIn({ server: this.#server, metadata, client, scopes });
    this.#state = { metadata, client, tokens: granted };
    await this.#store.write(this.#state);
  }
}
