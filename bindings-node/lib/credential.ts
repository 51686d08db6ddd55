import type { native } from './native.js';

/** A credential that can be sent unchanged. */
export interface Ready {
  authorization: native.Authorization;
  /** The header fields to send: alternating names and values. */
  headers: readonly string[];
}

/** A session's current credential. Its header is read from the native part only when it changes. */
export class CurrentCredential {
  readonly #session: native.Session;
  #ready: Ready | undefined;

  constructor(session: native.Session) {
    this.#session = session;
  }

  /** Returns the credential if it can be sent unchanged: it needs no renewal and no proof. */
  get(): Ready | undefined {
    const current = this.#session.currentIfFresh(this.#ready?.authorization);
    if (current === false) return undefined;
    if (current !== true) this.#ready = { authorization: current, headers: ['authorization', current.headerValue] };
    return this.#ready;
  }
}
