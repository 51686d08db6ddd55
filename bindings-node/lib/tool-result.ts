/** Challenges inside the results of tools, where a server let the call through and had the tool refuse it. */

import { wordsOf } from './describe.js';
import { isReauthError } from './error.js';
import { httpError } from './http-error.js';
import { native } from './native.js';

/** Whether an answer may hold a challenge: most do not, and need not be taken apart. The name's slash may be escaped. */
export function mentionsChallenge(answer: Buffer): boolean {
  return answer.includes('www_authenticate');
}

/** The answer to the JSON-RPC request `message` to `url` that says why it failed; `undefined` where it is none. */
export function asJsonRpc(message: string | undefined, error: unknown, url: string): string | undefined {
  const told = isReauthError(error) ? error : httpError(url, wordsOf(error));
  return native.jsonRpcError(message ?? '', JSON.stringify(told)) ?? undefined;
}

/**
 * What takes the place of an event: the response to the repeated call, an answer, or nothing, when the event is to pass
 * as it is.
 */
export type Replacement = Response | string | undefined;
