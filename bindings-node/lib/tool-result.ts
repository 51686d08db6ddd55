/** Challenges inside the results of tools, where a server let the call through and had the tool refuse it. */

import { wordsOf } from './describe.js';
import { isReauthError } from './error.js';

/** Whether an answer may hold a challenge: most do not, and need not be taken apart. The name's slash may be escaped. */
export function mentionsChallenge(answer: Buffer): boolean {
  return answer.includes('www_authenticate');
}

/** The code of a JSON-RPC error that stands for one of ours, as in core (`Error::to_json_rpc`). */
const JSON_RPC_CODE = -32_080;

/** The answer to the JSON-RPC request `message` that says why it failed; `undefined` where it is none. */
export function asJsonRpc(message: string | undefined, error: unknown): string | undefined {
  const id = idOf(message);
  if (id === undefined) return undefined;
  const { code, challenge } = isReauthError(error) ? error : { code: 'http', challenge: undefined };
  const answer = { code: JSON_RPC_CODE, message: wordsOf(error), data: { code, challenge } };
  return JSON.stringify({ jsonrpc: '2.0', id, error: answer });
}

function idOf(message: string | undefined): unknown {
  try {
    return (JSON.parse(message ?? 'null') as { id?: unknown } | null)?.id;
  } catch {
    return undefined;
  }
}

/**
 * What takes the place of an event: the response to the repeated call, an answer, or nothing, when the event is to pass
 * as it is.
 */
export type Replacement = Response | string | undefined;
