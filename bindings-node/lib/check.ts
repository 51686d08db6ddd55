/** Checks what an application hands in, so that what is wrong is told by name. */

import { declared, describe, memberOf } from './describe.js';
import { misconfigured } from './error.js';
import { native } from './native.js';
import { readScopes } from './scope.js';

/** What an option must be: how that is said, and what it is read as, which is `undefined` where it is something else. */
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
    // A proxy that was revoked is nothing any more.
    return false;
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.isWellFormed();

const isCount = (most: number) => (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;

export const TEXT = kind<string>('a text', isText);
/** Any text, be it empty. */
export const NAME = kind<string>('a text', (value) => typeof value === 'string' && value.isWellFormed());
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

/** A text is kept exactly as it is; what it must be besides is core's to say. */
export const ADDRESS: Kind<string> = {
  what: 'an address: a text or a URL',
  read: (value) => (value instanceof URL ? value.href : isText(value) ? value : undefined),
};

export const ADDRESSES: Kind<string[]> = {
  what: 'a list of addresses',
  read(value) {
    if (!Array.isArray(value)) return undefined;
    const addresses = Array.from(value, ADDRESS.read);
    return addresses.every((address) => address !== undefined) ? addresses : undefined;
  },
};

/** One that can be sent to an authorization server (RFC 6749 section 3.1.2). */
export const REDIRECT_URI: Kind<string> = {
  what: 'an absolute address without a fragment (#)',
  read(value) {
    const address = ADDRESS.read(value);
    return address !== undefined && URL.canParse(address) && !address.includes('#') ? address : undefined;
  },
};

export const SCOPES: Kind<string[]> = { what: 'a text or a list of texts', read: readScopes };

/** What was being done: a message as it was sent, or what that comes to. */
export const OPERATION: Kind<string | object> = {
  what: 'a text or an object',
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

/**
 * Reads each of the options once, and returns what was given of them. `where` stands before their names: `policy.`
 */
export function check<K extends Kinds>(given: unknown, kinds: K, where = ''): Checked<K> {
  const whole = where === '' ? 'the options' : where.slice(0, -1);
  if (!isObject(given)) throw misconfigured(`${whole} must be an object, and is ${describe(given)}`);
  refuseUnknown(given, kinds, where);
  // What was not given is not there, whatever other objects inherit.
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

/** What is given by a name, and what that is read as. */
function readOne(given: object, name: string, kind: Kind<unknown>, shown: string): [value: unknown, read: unknown] {
  try {
    const value = declared(given, name);
    return [value, value === undefined ? undefined : kind.read(value)];
  } catch (cause) {
    throw misconfigured(`${shown} cannot be read`, cause);
  }
}

/** An option that is written otherwise would have no effect, without a word. */
function refuseUnknown(given: object, kinds: Kinds, where: string): void {
  const plain = (text: string) => text.replaceAll(/[^a-z]/gi, '').toLowerCase();
  for (const name of namesOf(given)) {
    if (Object.hasOwn(kinds, name) || memberOf(given, name) === undefined) continue;
    const meant = Object.keys(kinds).find((known) => plain(known) === plain(name));
    // A name could be anything too.
    const shown = /^\w{1,40}$/.test(name) ? name : '(another name)';
    throw misconfigured(`${where}${shown} is no option${meant ? `; write ${where}${meant}` : ''}`);
  }
}

function namesOf(given: object): string[] {
  try {
    return Object.keys(given);
  } catch {
    // What it has by names that are known is read all the same.
    return [];
  }
}
