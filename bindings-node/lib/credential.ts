import type { native } from './native.js';

/** A credential that can be sent unchanged. */
export interface Ready {
  authorization: native.Authorization;
  /** The header fields to send: alternating names and values. */
  headers: readonly string[];
}

/**
 * A session's current credential. The native part is asked for it once in the time that it names, at most a second,
 * and not for each request: right after a wait for the network, a call into it costs as much as the rest of a request's
 * own work (docs/decisions/happy-path.md).
 */
export class CurrentCredential {
  #ready: Ready | undefined;
  /** When it was last asked for, and until when it may be sent, in milliseconds since 1970. */
  #asked = 0;
  #until = 0;

  /** Returns the credential if it can be sent unchanged: it needs no renewal and no proof. */
  get(session: native.Session): Ready | undefined {
    const now = Date.now();
    // A clock that was set back ends it too.
    return now >= this.#asked && now < this.#until ? this.#ready : this.#ask(session, now);
  }

  /** Asks the native part again before the next request: the session has done something. */
  forget(): void {
    this.#until = 0;
  }

  #ask(session: native.Session, now: number): Ready | undefined {
    const current = session.currentIfFresh(this.#ready?.authorization);
    if (current === false) return undefined;
    if (current !== true) this.#ready = { authorization: current, headers: ['authorization', current.headerValue] };
    this.#asked = now;
    this.#until = now + session.freshFor();
    return this.#ready;
  }
}
