/** Responses that were read, or made anew, and are handed on as if they had not been. */

/** What of a response the one that asked for it may look at, and a constructed one does not have. */
const FROM_NETWORK = ['url', 'redirected', 'type'] as const;

/** Makes `response` look like it came from the network as `original` did. */
export function like(original: Response, response: Response): Response {
  for (const name of FROM_NETWORK) Object.defineProperty(response, name, { value: original[name] });
  return response;
}

/** How a response is read. Not all are known to each Node. */
type Readers = Record<(typeof READERS)[number], () => Promise<unknown>>;
const READERS = ['text', 'json', 'arrayBuffer', 'blob', 'bytes', 'formData'] as const;

/** What is read in the place of a response that has been read, or is being read, already. */
interface Instead {
  /** All of it, where that suffices: clients take JSON by `json` or `text`, which is free this way. */
  readonly whole: (() => Uint8Array | Promise<Uint8Array>) | undefined;
  /** The stream, for those that read it as such. */
  readonly stream: ReadableStream<Uint8Array> | undefined;
  /** Whether the stream was read. */
  readonly isRead: () => boolean;
  /** A response made anew: it costs a tenth of a call over loopback, and is for all other ways to read it. */
  readonly make: () => Response;
  made: Response | undefined;
}

/** What is substituted. */
const ALL = [...READERS, 'body', 'bodyUsed', 'clone'];

const INSTEAD = Symbol('what is read instead');

type Substituted = Response & { [INSTEAD]: Instead };

const no = () => false;

/** Lets `response` be read as if that had not been done; what was read are `bytes`. */
export function unread(response: Response, bytes: Uint8Array<ArrayBuffer>): Response {
  return readAs(
    response,
    () => bytes,
    () => new Response(bytes, response),
  );
}

/** Has `response` read by `whole` where that suffices, else by another response, which `make` makes. */
export function readAs(
  response: Response,
  whole: () => Uint8Array | Promise<Uint8Array>,
  make: () => Response,
): Response {
  return substitute(response, { whole, make, stream: undefined, isRead: no, made: undefined });
}

/** Has `stream` read in the place of the body of `response`; `isRead` tells whether that has begun. */
export function streamedAs(response: Response, isRead: () => boolean, stream: ReadableStream<Uint8Array>): Response {
  const make = () => new Response(stream, response);
  return substitute(response, { whole: undefined, make, stream, isRead, made: undefined });
}

/** It stays the response that it is, and is read another way: by another prototype, which costs least. */
function substitute(response: Response, instead: Instead): Response {
  const base: object | null = Object.getPrototypeOf(response);
  // What is not as the platform makes it is replaced by what is.
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

/** Those of each implementation of `Response`. */
const PROTOTYPES = new WeakMap<object, object>();

function anewOf(response: Substituted): Response {
  const instead = response[INSTEAD];
  instead.made ??= instead.make();
  return instead.made;
}

/** All of it as a text. From then on the response is what it is: one that was read. */
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
