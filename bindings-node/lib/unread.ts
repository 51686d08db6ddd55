/** Passes on responses that were already read or rebuilt as if they came unread from the network. */

/** Properties of a network response that a constructed one lacks. */
const FROM_NETWORK = ['url', 'redirected', 'type'] as const;

/** Copies these properties from `original` to `response`. */
export function like(original: Response, response: Response): Response {
  for (const name of FROM_NETWORK) Object.defineProperty(response, name, { value: original[name] });
  return response;
}

/** The methods that read a response. Older Node versions lack some. */
type Readers = Record<(typeof READERS)[number], () => Promise<unknown>>;
const READERS = ['text', 'json', 'arrayBuffer', 'blob', 'bytes', 'formData'] as const;

/** The replacement for a response's consumed body. */
interface Instead {
  /** Reads the whole body, if that suffices: for `json` and `text`, which clients use for JSON, this costs nothing. */
  readonly whole: (() => Uint8Array | Promise<Uint8Array>) | undefined;
  /** The stream, for callers that read `body`. */
  readonly stream: ReadableStream<Uint8Array> | undefined;
  /** Whether the stream has been read. */
  readonly isRead: () => boolean;
  /** Builds a new response for every other way to read it. This costs a tenth of a call over loopback. */
  readonly make: () => Response;
  made: Response | undefined;
}

/** The replaced members. */
const ALL = [...READERS, 'body', 'bodyUsed', 'clone'];

const INSTEAD = Symbol('what is read instead');

type Substituted = Response & { [INSTEAD]: Instead };

const no = () => false;

/** Makes `response`, whose content `bytes` was read, readable again. */
export function unread(response: Response, bytes: Uint8Array<ArrayBuffer>): Response {
  return readAs(
    response,
    () => bytes,
    () => new Response(bytes, response),
  );
}

/** Makes `response` readable by `whole` where that suffices, otherwise by the response that `make` builds. */
export function readAs(
  response: Response,
  whole: () => Uint8Array | Promise<Uint8Array>,
  make: () => Response,
): Response {
  return substitute(response, { whole, make, stream: undefined, isRead: no, made: undefined });
}

/** Replaces the body of `response` with `stream`; `isRead` tells whether reading has begun. */
export function streamedAs(response: Response, isRead: () => boolean, stream: ReadableStream<Uint8Array>): Response {
  const make = () => new Response(stream, response);
  return substitute(response, { whole: undefined, make, stream, isRead, made: undefined });
}

/** Replaces members through a new prototype, which is the cheapest way and keeps the object's identity. */
function substitute(response: Response, instead: Instead): Response {
  const base: object | null = Object.getPrototypeOf(response);
  // A response that is not a plain one of the platform is rebuilt instead.
  const isOther = ALL.some((name) => Object.hasOwn(response, name));
  if (base === null || isOther || !Object.isExtensible(response)) return like(response, instead.make());
  let prototype = PROTOTYPES.get(base);
  if (!prototype) {
    prototype = Object.create(base, substitutesOf(base)) as object;
    PROTOTYPES.set(base, prototype);
  }
  (response as Substituted)[INSTEAD] = instead;
  return Object.setPrototypeOf(response, prototype);
}

/** One substitute prototype for each implementation of `Response`. */
const PROTOTYPES = new WeakMap<object, object>();

function anewOf(response: Substituted): Response {
  const instead = response[INSTEAD];
  instead.made ??= instead.make();
  return instead.made;
}

/** Reads everything as text, and restores the original prototype: the response now counts as read. */
async function take(response: Substituted, whole: NonNullable<Instead['whole']>): Promise<string> {
  const substituted: object = Object.getPrototypeOf(response);
  Object.setPrototypeOf(response, Object.getPrototypeOf(substituted));
  return new TextDecoder().decode(await whole());
}

function substitutesOf(base: object): PropertyDescriptorMap {
  const substitutes: PropertyDescriptorMap = {
    body: {
      get(this: Substituted) {
        const { stream, made } = this[INSTEAD];
        return stream && !made ? stream : anewOf(this).body;
      },
    },
    bodyUsed: {
      get(this: Substituted) {
        const { made, isRead } = this[INSTEAD];
        return made?.bodyUsed ?? isRead();
      },
    },
    clone: {
      value(this: Substituted) {
        return like(this, anewOf(this).clone());
      },
    },
  };
  for (const name of READERS.filter((name) => name in base)) {
    substitutes[name] = {
      async value(this: Substituted) {
        const { whole, made } = this[INSTEAD];
        if (made || !whole || (name !== 'text' && name !== 'json')) return (anewOf(this) as unknown as Readers)[name]();
        const text = await take(this, whole);
        return name === 'json' ? JSON.parse(text) : text;
      },
    };
  }
  return substitutes;
}
