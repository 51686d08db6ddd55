import { type AuthHost, AuthSession, type AuthSessionOptions } from 'mcp-reauth';

import { answers, call } from './adversary.mjs';
import { Person } from './person.mjs';

/** Sessions for the server at `url`, and their requests. */
export function sessionsAt(url: string) {
  /** Opens a session whose host is a well-behaved user, except for the given functions. */
  function open(host: object = {}, more: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
    const person = new Person();
    const good = {
      redirectUri: person.redirectUri,
      confirmStepUp: person.confirmStepUp.bind(person),
      authorize: person.authorize.bind(person),
    };
    return AuthSession.open({ serverUrl: url, host: { ...good, ...host } as AuthHost, ...more });
  }

  /** Opens a session and signs in. */
  async function signedIn(host: object = {}, more: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
    const session = await open(host, more);
    await answers(session, url);
    return session;
  }

  const echo = (session: AuthSession, signal?: AbortSignal) => call(session, url, 'echo', signal);
  const writeNote = (session: AuthSession, signal?: AbortSignal) => call(session, url, 'write_note', signal);

  /** The functions of a host, and the session and request that cause a call to each. */
  const functions = {
    redirectUri: { begin: open, request: echo },
    authorize: { begin: open, request: echo },
    confirmStepUp: { begin: signedIn, request: writeNote },
  };
  return { open, signedIn, echo, writeNote, functions };
}
