import { REDIRECT_URI } from './check.js';
import { declares, describe } from './describe.js';
import { misconfigured } from './error.js';
import type { AuthorizationRequest, Awaitable, StepUpRequest } from './types.js';

/** What a host is called with besides. */
export interface HostContext {
  /**
   * Aborted when an answer would be of no use any more, as the session was closed or the time is up: take the question
   * off the screen. What a person has been asked goes on when the request that was the reason is given up.
   */
  signal: AbortSignal;
}

/** What a host is asked with for the redirect URI. */
export interface RedirectContext extends HostContext {
  /**
   * Whether the client was registered beforehand or has a metadata document, and so is registered for certain addresses
   * already: the redirect URI must then be one of them.
   */
  registered: boolean;
}

/**
 * The callback of an authorization: its whole address, its query, or the parameters, unread. Whether anything of it
 * may be used is decided by `state` and `iss`, so hand on all of it.
 */
export type Callback = URLSearchParams | URL | string | { code: string; state: string; iss?: string | undefined };

/**
 * What only the application can do. Functions may be asynchronous, and may throw: an `AbortError` counts as the
 * person's having stopped it.
 */
export interface AuthHost {
  /**
   * Where the callback of the authorization that is about to start will come: an address, or a function of it. Needed
   * unless the session's option `redirectUri` says so.
   */
  redirectUri?: string | ((context: RedirectContext) => Awaitable<string>);
  /** Asks the person whether to extend access. `false` is a no; the session lives on. */
  confirmStepUp(request: StepUpRequest, context: HostContext): Awaitable<boolean>;
  /**
   * Sends the person to `request.url`. A program that stays where it is waits for the callback and returns it. One
   * that navigates away returns nothing, and the code that receives the callback later, also after a restart, hands
   * it to `AuthSession.completeAuthorization`.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a host that returns nothing is one of the two kinds.
  authorize(request: AuthorizationRequest, context: HostContext): Awaitable<Callback | undefined | null | void>;
  /**
   * Tells the user that another session or program has the sign-in page for `server` open, which this one waits for.
   * The signal is aborted when the wait is over.
   */
  signInElsewhere?(server: string, context: HostContext): Awaitable<void>;
}

/** A callback as the native part takes it; `undefined` where it is none. */
function queryOf(callback: unknown): string | undefined {
  if (typeof callback === 'string') return callback;
  if (callback instanceof URL) return callback.search;
  if (callback instanceof URLSearchParams) return callback.toString();
  if (typeof callback !== 'object' || callback === null) return undefined;
  if (!declares(callback, 'code') || !declares(callback, 'state')) return undefined;
  const parameters = Object.entries(callback).filter(([, value]) => value !== undefined);
  return new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, String(value)])).toString();
}

const CALLBACK =
  "the callback's address or query: a text, a URL, URLSearchParams, or an object with code, state and iss";

/** A callback as the native part takes it. `what` names it, should it be none. */
export function callbackQuery(callback: unknown, what: string): string {
  let query: string | undefined;
  try {
    query = queryOf(callback);
  } catch (cause) {
    throw misconfigured(`${what} cannot be read as ${CALLBACK}`, cause);
  }
  if (query === undefined) throw misconfigured(`${what} must be ${CALLBACK}, and is ${describe(callback)}`);
  return query.toWellFormed();
}

/** A host as the native part calls it. */
export async function callHost(host: AuthHost, method: string, input: unknown, context: HostContext): Promise<unknown> {
  switch (method) {
    case 'redirectUri': {
      const asked = { ...context, ...(input as { registered: boolean }) };
      const uri = typeof host.redirectUri === 'function' ? await host.redirectUri(asked) : host.redirectUri;
      const address = REDIRECT_URI.read(uri);
      if (address !== undefined) return address;
      throw new TypeError(`host.redirectUri must return ${REDIRECT_URI.what}, and returned ${describe(uri)}`);
    }
    case 'confirmStepUp': {
      const agreed = await host.confirmStepUp(input as StepUpRequest, context);
      if (typeof agreed === 'boolean') return agreed;
      throw new TypeError(`host.confirmStepUp must return true or false, and returned ${describe(agreed)}`);
    }
    case 'signInElsewhere':
      await host.signInElsewhere?.((input as { server: string }).server, context);
      return true;
    default: {
      const callback = await host.authorize(input as AuthorizationRequest, context);
      if (callback === undefined || callback === null) return 'elsewhere';
      return { callback: callbackQuery(callback, 'what host.authorize returns') };
    }
  }
}
