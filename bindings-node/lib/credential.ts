import type { native } from './native.js';

/** A credential that can be sent as it is. */
export interface Ready {
  authorization: native.Authorization;
  /** The header fields to send, in turn. */
  headers: readonly string[];
}

/** A session's current credential, whose header is read once while it does not change. */
export class CurrentCredential {
  readonly #session: native.Session;
  #ready: Ready | undefined;

  constructor(session: native.Session) {
    this.#session = session;
  }

  /** The credential, if it can be sent as it is: no renewal, no proof. */
  get(): Ready | undefined {
    const current = this.#session.currentIfFresh(this.#ready?.authorization);
    if (current === false) return undefined;
    if (current !== true) this.#ready = { authorization: current, headers: ['authorization', current.headerValue] };
    return this.#ready;
  }
}
