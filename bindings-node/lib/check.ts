/** Validates options, so that errors name the invalid one. */

import { declared, describe, memberOf } from './describe.js';
import { misconfigured } from './error.js';
import { native } from './native.js';
import { readScopes } from './scope.js';

/** A type of option: its description, and a function that reads a value, or returns `undefined` for a wrong type. */
export interface Kind<T> {
  what: string;
  read(value: unknown): T | undefined;
}

function kind<T>(what: string, is: (value: unknown) => boolean): Kind<T> {
  return { what, read: (value) => (is(value) ? (value as T) : undefined) };
}

export function isObject(value: unknown): value is object {
  try {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    // A revoked proxy throws.
    return false;
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.isWellFormed();

const isCount = (most: number) => (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;

export const TEXT = kind<string>('a string', isText);
/** Any string, also an empty one. */
export const NAME = kind<string>('a string', (value) => typeof value === 'string' && value.isWellFormed());
export const FLAG = kind<boolean>('true or false', (value) => typeof value === 'boolean');
export const OBJECT = kind<object>('an object', isObject);
export const FUNCTION = kind<(...args: never[]) => unknown>('a function', (value) => typeof value === 'function');
export const MILLISECONDS = kind<number>('a whole number of milliseconds', isCount(Number.MAX_SAFE_INTEGER));
export const COUNT = kind<number>('a whole number from 0 to 255', isCount(255));
export const SIGNAL = kind<AbortSignal>('an AbortSignal', (value) => value instanceof AbortSignal);
export const CREDENTIAL = kind<native.Authorization>(
  'an Authorization of this package',
  (value) => value instanceof native.Authorization,
);

/** A string is kept unchanged; core validates the rest. */
export const ADDRESS: Kind<string> = {
  what: 'an address: a string or a URL',
  read: (value) => (value instanceof URL ? value.href : isText(value) ? value : undefined),
};

export const ADDRESSES: Kind<string[]> = {
  what: 'an array of addresses',
  read(value) {
    if (!Array.isArray(value)) return undefined;
    const addresses = Array.from(value, ADDRESS.read);
    return addresses.every((address) => address !== undefined) ? addresses : undefined;
  },
};

/** An address that can be sent as a redirect URI (RFC 6749 section 3.1.2). */
export const REDIRECT_URI: Kind<string> = {
  what: 'an absolute URL without a fragment (#)',
  read(value) {
    const address = ADDRESS.read(value);
    return address !== undefined && URL.canParse(address) && !address.includes('#') ? address : undefined;
  },
};

export const SCOPES: Kind<string[]> = { what: 'a string or an array of strings', read: readScopes };

/** The operation of a request: a JSON-RPC message, or an object. */
export const OPERATION: Kind<string | object> = {
  what: 'a string or an object',
  read: (value) => (typeof value === 'string' || isObject(value) ? value : undefined),
};

export const oneOf = <T extends string>(...words: T[]): Kind<T> =>
  kind<T>(words.map((word) => `'${word}'`).join(' or '), (value) => words.includes(value as T));

/** The same, or `null`. */
export const orNull = <T>({ what, read }: Kind<T>): Kind<T | null> => ({
  what: `${what}, or null`,
  read: (value) => (value === null ? null : read(value)),
});

type Kinds = Record<string, Kind<unknown>>;
type Checked<K extends Kinds> = { [N in keyof K]?: K[N] extends Kind<infer T> ? T : never };

/** Reads each option once, and returns the given ones. `where` is a prefix for their names, such as `policy.`. */
export function check<K extends Kinds>(given: unknown, kinds: K, where = ''): Checked<K> {
  const whole = where === '' ? 'the options' : where.slice(0, -1);
  if (!isObject(given)) throw misconfigured(`${whole} must be an object, and is ${describe(given)}`);
  refuseUnknown(given, kinds, where);
  // No prototype: an option that is absent must not be found on `Object.prototype`.
  const checked: Record<string, unknown> = Object.create(null);
  for (const [name, kind] of Object.entries(kinds)) {
    const [value, read] = readOne(given, name, kind, `${where}${name}`);
    if (value === undefined) continue;
    if (read === undefined) {
      throw misconfigured(`${where}${name} must be ${kind.what}, and is ${value === '' ? 'empty' : describe(value)}`);
    }
    checked[name] = read;
  }
  return checked as Checked<K>;
}

/** Reads one option: the raw value and the converted one. */
function readOne(given: object, name: string, kind: Kind<unknown>, shown: string): [value: unknown, read: unknown] {
  try {
    const value = declared(given, name);
    return [value, value === undefined ? undefined : kind.read(value)];
  } catch (cause) {
    throw misconfigured(`${shown} cannot be read`, cause);
  }
}

/** Rejects unknown options: a misspelled one would have no effect. */
function refuseUnknown(given: object, kinds: Kinds, where: string): void {
  const plain = (text: string) => text.replaceAll(/[^a-z]/gi, '').toLowerCase();
  for (const name of namesOf(given)) {
    if (Object.hasOwn(kinds, name) || memberOf(given, name) === undefined) continue;
    const meant = Object.keys(kinds).find((known) => plain(known) === plain(name));
    // The name may contain anything.
    const shown = /^\w{1,40}$/.test(name) ? name : '(another name)';
    throw misconfigured(`unknown option ${where}${shown}${meant ? `; did you mean ${where}${meant}?` : ''}`);
  }
}

function namesOf(given: object): string[] {
  try {
    return Object.keys(given);
  } catch {
    // The known options are still read.
    return [];
  }
}
