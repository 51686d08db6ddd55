import { unwrap } from './error.js';
import { toJson } from './json.js';
import type { OpenSession } from './parts.js';
import type { IdentityProviderState, Revocation } from './types.js';

/** The session at an organization's identity provider, which sessions of one profile in one store share. */
export class IdentityProviderSession {
  readonly #session: OpenSession;

  /** @internal */
  constructor(session: OpenSession) {
    this.#session = session;
  }

  /** What is known of it. From the store alone, no network. */
  async state(): Promise<IdentityProviderState> {
    return unwrap(await this.#session.native.idpState());
  }

  /**
   * Takes over a sign-in that the application has seen to itself, so that the user is not asked to sign in again. The
   * ID token's signature is the application's to have checked.
   */
  async adopt(signIn: { idToken: string; refreshToken?: string | undefined }): Promise<void> {
    unwrap(await this.#session.native.idpAdopt(toJson(signIn, 'the sign-in')));
  }

  /** Signs out there: revokes and clears the session and every token that was had through it, and nothing else. */
  async signOut(): Promise<Revocation> {
    return unwrap(await this.#session.native.idpSignOut());
  }
}
