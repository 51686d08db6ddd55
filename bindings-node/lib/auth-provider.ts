import { flatHeaders } from './challenge.js';
import { closed, misconfigured, unwrap } from './error.js';
import type { OpenSession } from './parts.js';
import { isOfAnotherOrigin, ofAnotherOrigin } from './redirect.js';

/** The official SDK's `AuthProvider` (2.x), for programs that use that interface. */
export interface AuthProvider {
  /** The access token to send, renewed first if it is about to expire. */
  token(): Promise<string | undefined>;
  /** Recovers from a 401. Afterwards the SDK asks for the token again, and repeats the request once. */
  onUnauthorized(context: { response: Response }): Promise<void>;
}

/**
 * The session as an `AuthProvider`. `session.fetch` does more: this interface recovers from 401 only, not from a
 * step-up; it does not say which token was rejected; and it cannot send tokens that are bound to a key.
 */
export function authProvider(session: OpenSession, serverUrl: string): AuthProvider {
  const begin = () => {
    const request = session.native.request(false);
    if (!request) throw closed();
    return request;
  };
  return {
    async token() {
      const given = await begin().authorize('POST', serverUrl);
      const credential = typeof given === 'string' ? unwrap<string[] | null>(given) : given;
      const value = credential?.[1];
      if (value?.startsWith('DPoP ')) {
        throw misconfigured(
          'the tokens of this server are bound to a key (DPoP): use session.fetch instead of authProvider',
        );
      }
      return value?.replace(/^Bearer /, '');
    },
    async onUnauthorized({ response }) {
      if (isOfAnotherOrigin(response, serverUrl)) throw ofAnotherOrigin(serverUrl);
      try {
        unwrap(await begin().recover(response.status, flatHeaders(response.headers)));
      } finally {
        session.parts.current.forget();
      }
    },
  };
}
