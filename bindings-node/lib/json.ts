import { describe } from './describe.js';
import { misconfigured } from './error.js';

/** Serializes a value from other code. `what` names it in errors. */
export function toJson(value: unknown, what: string): string {
  let json: string | undefined;
  try {
    // Rust strings must be valid Unicode, which a lone surrogate is not.
    json = JSON.stringify(value, (_, part) => (typeof part === 'string' ? part.toWellFormed() : part));
  } catch (cause) {
    throw misconfigured(`${what} cannot be written as JSON`, cause);
  }
  if (json === undefined) throw misconfigured(`${what} cannot be written as JSON: it is ${describe(value)}`);
  return json;
}
