/** A value's kind, without the value. Whatever it is, nothing of it is run but what tells its kind. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object' && typeof value !== 'function') return `a ${typeof value}`;
  try {
    if (Array.isArray(value)) return 'a list';
    const { name } = value.constructor;
    if (typeof name === 'string' && /^\w{1,40}$/.test(name)) return `a value of the kind ${name}`;
  } catch {
    // It does not want to be looked at.
  }
  return `a value of the kind ${typeof value}`;
}

/** A member of a value that may be anything; `undefined` where reading it fails. */
export function memberOf(value: unknown, name: string): unknown {
  try {
    return (value as Record<string, unknown> | null | undefined)?.[name];
  } catch {
    return undefined;
  }
}

/** What an exception says, whatever it is. */
export function wordsOf(error: unknown): string {
  try {
    const isError = typeof error === 'object' && error !== null && 'message' in error;
    return String(isError ? error.message : error).toWellFormed();
  } catch {
    return 'it threw something that cannot be told of';
  }
}
