import { unwrap } from './error.js';
import { toJson } from './json.js';
import type { OpenSession } from './parts.js';
import type { IdentityProviderState, Revocation } from './types.js';

/** The session at an organization's identity provider, shared by the sessions of one profile in one store. */
export class IdentityProviderSession {
  readonly #session: OpenSession;

  /** @internal */
  constructor(session: OpenSession) {
    this.#session = session;
  }

  /** Returns its state, from the store alone, without network requests. */
  async state(): Promise<IdentityProviderState> {
    return unwrap(await this.#session.native.idpState());
  }

  /**
   * Adopts a sign-in that the application has performed itself, so that the user does not sign in again. The
   * application must have verified the signature of the ID token.
   */
  async adopt(signIn: { idToken: string; refreshToken?: string | undefined }): Promise<void> {
    unwrap(await this.#session.native.idpAdopt(toJson(signIn, 'the sign-in')));
  }

  /** Signs out there: revokes and deletes this session and every token obtained through it, and nothing else. */
  async signOut(): Promise<Revocation> {
    try {
      return unwrap(await this.#session.native.idpSignOut());
    } finally {
      this.#session.parts.current.forget();
    }
  }
}
