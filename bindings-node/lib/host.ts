import { REDIRECT_URI } from './check.js';
import { declares, describe } from './describe.js';
import { misconfigured } from './error.js';
import type { AuthorizationRequest, Awaitable, StepUpRequest } from './types.js';

/** The context of a call to the host. */
export interface HostContext {
  /**
   * Aborted when the answer is no longer needed, because the session was closed or the time limit has passed: close the
   * question. Cancelling the request that caused a question does not abort it.
   */
  signal: AbortSignal;
}

/** The context of a call for the redirect URI. */
export interface RedirectContext extends HostContext {
  /**
   * Whether the client is pre-registered or has a metadata document, and so has fixed redirect URIs: return one of
   * them.
   */
  registered: boolean;
}

/**
 * The callback of an authorization: its whole address, its query, or its parameters. Pass it on unread and complete:
 * `state` and `iss` decide whether any of it may be used.
 */
export type Callback = URLSearchParams | URL | string | { code: string; state: string; iss?: string | undefined };

/**
 * What only the application can do. Functions may be asynchronous, and may throw: an `AbortError` means that the user
 * cancelled.
 */
export interface AuthHost {
  /**
   * The redirect URI of the next authorization, or a function that returns it. Required unless the session has the
   * option `redirectUri`.
   */
  redirectUri?: string | ((context: RedirectContext) => Awaitable<string>);
  /** Asks the user whether to extend access. `false` declines; the session stays usable. */
  confirmStepUp(request: StepUpRequest, context: HostContext): Awaitable<boolean>;
  /**
   * Sends the user to `request.url`. A program that stays open waits for the callback and returns it. A web application
   * that navigates away returns nothing; the code that receives the callback later, also after a restart, passes it to
   * `AuthSession.completeAuthorization`.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a host that returns nothing is one of the two kinds.
  authorize(request: AuthorizationRequest, context: HostContext): Awaitable<Callback | undefined | null | void>;
  /**
   * Tells the user that another session or program has the sign-in page for `server` open, and that this session waits
   * for it. The signal is aborted when the wait ends.
   */
  signInElsewhere?(server: string, context: HostContext): Awaitable<void>;
}

/** Converts a callback to a query string; `undefined` for a wrong type. */
function queryOf(callback: unknown): string | undefined {
  if (typeof callback === 'string') return callback;
  if (callback instanceof URL) return callback.search;
  if (callback instanceof URLSearchParams) return callback.toString();
  if (typeof callback !== 'object' || callback === null) return undefined;
  if (!declares(callback, 'code') || !declares(callback, 'state')) return undefined;
  const parameters = Object.entries(callback).filter(([, value]) => value !== undefined);
  return new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, String(value)])).toString();
}

const CALLBACK = "the callback's URL or query: a string, a URL, URLSearchParams, or an object with code, state and iss";

/** Converts a callback to a query string. `what` names it in errors. */
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

/** Calls a host for the native part. */
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
