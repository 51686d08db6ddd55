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

/** How long a chain of prototypes is followed. */
const MAX_PROTOTYPES = 64;

/**
 * Whether an object has something by a name: itself or by its class, but not by what all objects inherit from, where
 * others may have put it.
 */
export function declares(value: object, name: string): boolean {
  let at: object | null = value;
  for (let i = 0; at !== null && i < MAX_PROTOTYPES; i++) {
    if (Object.hasOwn(at, name)) return i === 0 || !isRoot(at);
    at = Object.getPrototypeOf(at);
  }
  return false;
}

/** Whether it is what all objects inherit from, in this realm or another. */
function isRoot(prototype: object): boolean {
  return (
    prototype === Object.prototype ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty'))
  );
}

/** As `instanceof`, which never ends where a Proxy makes up prototypes without end. */
export function isA<T>(value: unknown, kind: { prototype: T }): value is T {
  if (typeof value !== 'object' || value === null) return false;
  let at: object | null = Object.getPrototypeOf(value);
  for (let i = 0; at !== null && i < MAX_PROTOTYPES; i++) {
    if (at === kind.prototype) return true;
    at = Object.getPrototypeOf(at);
  }
  return false;
}

/** What an object has by a name, if it {@link declares} it. */
export function declared(value: unknown, name: string): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  return declares(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

/** The same of a value that may be anything; `undefined` where reading it fails. */
export function memberOf(value: unknown, name: string): unknown {
  try {
    return declared(value, name);
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
