/** Describes the type of a value without its content. Runs no code of the value except to find the type. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object' && typeof value !== 'function') return `a ${typeof value}`;
  try {
    if (Array.isArray(value)) return 'an array';
    const { name } = value.constructor;
    if (typeof name === 'string' && /^\w{1,40}$/.test(name)) return `a value of type ${name}`;
  } catch {
    // It throws when it is inspected.
  }
  return `a value of type ${typeof value}`;
}

/** How many prototypes of a chain are followed. */
const MAX_PROTOTYPES = 64;

/**
 * Whether an object has a property of its own or of its class. Properties of `Object.prototype` do not count: other
 * code may have added them.
 */
export function declares(value: object, name: string): boolean {
  let at: object | null = value;
  for (let i = 0; at !== null && i < MAX_PROTOTYPES; i++) {
    if (Object.hasOwn(at, name)) return i === 0 || !isRoot(at);
    at = Object.getPrototypeOf(at);
  }
  return false;
}

/** Whether it is an `Object.prototype`, of this realm or another. */
function isRoot(prototype: object): boolean {
  return (
    prototype === Object.prototype ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty'))
  );
}

/** Like `instanceof`, which never ends for a proxy with an infinite prototype chain. */
export function isA<T>(value: unknown, kind: { prototype: T }): value is T {
  if (typeof value !== 'object' || value === null) return false;
  let at: object | null = Object.getPrototypeOf(value);
  for (let i = 0; at !== null && i < MAX_PROTOTYPES; i++) {
    if (at === kind.prototype) return true;
    at = Object.getPrototypeOf(at);
  }
  return false;
}

/** Returns a property if the object {@link declares} it. */
export function declared(value: unknown, name: string): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  return declares(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

/** Like {@link declared}, for any value; `undefined` if reading it throws. */
export function memberOf(value: unknown, name: string): unknown {
  try {
    return declared(value, name);
  } catch {
    return undefined;
  }
}

/** The message of an exception of any type. */
export function wordsOf(error: unknown): string {
  try {
    const isError = typeof error === 'object' && error !== null && 'message' in error;
    return String(isError ? error.message : error).toWellFormed();
  } catch {
    return 'it threw a value that cannot be described';
  }
}
