import type { native } from './native.js';

type Session = native.Session;

/** A credential that can be sent as it is. */
export interface Ready {
  authorization: native.Authorization;
  /** The header fields to send, in turn. */
  headers: readonly string[];
}

/** A session's current credential, read without a turn to the native part for each of its parts. */
export class CurrentCredential {
  readonly #session: Session;
  #number = 0;
  #ready: Ready | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The credential, if it can be sent as it is: no renewal, no proof. */
  get(): Ready | undefined {
    const number = this.#session.ready();
    if (number === 0) return undefined;
    if (number !== this.#number) {
      const authorization = this.#session.authorization();
      if (!authorization) return undefined;
      this.#number = number;
      this.#ready = { authorization, headers: ['authorization', authorization.headerValue] };
    }
    return this.#ready;
  }
}
