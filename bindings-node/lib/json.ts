import { describe } from './describe.js';
import { misconfigured } from './error.js';

/** The JSON text of a value that other code made. `what` names it, should it have none. */
export function toJson(value: unknown, what: string): string {
  let json: string | undefined;
  try {
    // The native part reads Unicode, which half of a surrogate pair is not.
    json = JSON.stringify(value, (_, part) => (typeof part === 'string' ? part.toWellFormed() : part));
  } catch (cause) {
    throw misconfigured(`${what} cannot be written as JSON`, cause);
  }
  if (json === undefined) throw misconfigured(`${what} cannot be written as JSON: it is ${describe(value)}`);
  return json;
}
