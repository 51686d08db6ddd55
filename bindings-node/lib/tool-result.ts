/** Challenges inside tool results, which a server sends when the tool, not the server, rejects a call. */

import { wordsOf } from './describe.js';
import { isReauthError } from './error.js';
import { httpError } from './http-error.js';
import { native } from './native.js';

/** Whether a response may hold a challenge: most do not, and need not be parsed. (The name's slash may be escaped.) */
export function mentionsChallenge(answer: Buffer): boolean {
  return answer.includes('www_authenticate');
}

/** The JSON-RPC error response to the request `message`; `undefined` if it is not a request. */
export function asJsonRpc(message: string | undefined, error: unknown, url: string): string | undefined {
  const told = isReauthError(error) ? error : httpError(url, wordsOf(error));
  return native.jsonRpcError(message ?? '', JSON.stringify(told)) ?? undefined;
}

/**
 * What replaces an event: the response to the repeated call, a JSON-RPC message, or `undefined` to pass the event
 * unchanged.
 */
export type Replacement = Response | string | undefined;
