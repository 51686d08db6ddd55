import { unwrap } from './error.js';
import type { native } from './native.js';
import type { IdentityProviderState, Revocation } from './types.js';

/** The session at an organization's identity provider, which sessions of one profile in one store share. */
export class IdentityProviderSession {
  readonly #session: native.Session;

  /** @internal */
  constructor(session: native.Session) {
    this.#session = session;
  }

  /** What is known of it. From the store alone, no network. */
  async state(): Promise<IdentityProviderState> {
    return unwrap(await this.#session.idpState());
  }

  /**
   * Takes over a sign-in that the application has seen to itself, so that nobody is asked to sign in again. The ID
   * token's signature is the application's to have checked.
   */
  async adopt(signIn: { idToken: string; refreshToken?: string | undefined }): Promise<void> {
    unwrap(await this.#session.idpAdopt(JSON.stringify(signIn)));
  }

  /** Signs out there: revokes and clears the session and every token that was had through it, and nothing else. */
  async signOut(): Promise<Revocation> {
    return unwrap(await this.#session.idpSignOut());
  }
}
