/** Responses that were read, or made anew, and are handed on as if they had not been. */

/** What of a response the one that asked for it may look at, and a constructed one does not have. */
const FROM_NETWORK = ['url', 'redirected', 'type'] as const;

/** Makes `response` look like it came from the network as `original` did. */
export function like(original: Response, response: Response): Response {
  for (const name of FROM_NETWORK) Object.defineProperty(response, name, { value: original[name] });
  return response;
}

/** How a response is read, besides by `text` and `json`. Not all are known to each Node. */
type OtherReaders = Record<'arrayBuffer' | 'blob' | 'bytes' | 'formData', () => Promise<unknown>>;
const OTHER_READERS: (keyof OtherReaders)[] = ['arrayBuffer', 'blob', 'bytes', 'formData'];
const READERS = [...OTHER_READERS, 'text', 'json', 'body', 'bodyUsed', 'clone'];

/**
 * Lets `response` be read as if that had not been done; what was read are `bytes`. Clients take JSON by `json` or
 * `text`, which is free this way. A response made anew costs a tenth of a call over loopback: that is left to clients
 * that read it another way.
 */
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
  let made: Response | undefined;
  const anew = () => {
    made ??= make();
    return made;
  };
  // From then on it is what it is: one that was read.
  const take = async () => {
    for (const name of READERS) Reflect.deleteProperty(response, name);
    return new TextDecoder().decode(await whole());
  };
  return withReaders(response, anew, {
    text: { value: async () => (made ? made.text() : take()) },
    json: { value: async () => (made ? made.json() : JSON.parse(await take())) },
    body: { get: () => anew().body },
    bodyUsed: { get: () => made?.bodyUsed ?? false },
  });
}

/** Has `stream` read in the place of the body of `response`; `isRead` tells whether that has begun. */
export function streamedAs(response: Response, isRead: () => boolean, stream: ReadableStream<Uint8Array>): Response {
  let made: Response | undefined;
  const anew = () => {
    made ??= new Response(stream, response);
    return made;
  };
  return withReaders(response, anew, {
    text: { value: async () => anew().text() },
    json: { value: async () => anew().json() },
    body: { get: () => made?.body ?? stream },
    bodyUsed: { get: () => made?.bodyUsed ?? isRead() },
  });
}

/** Gives `response` these readers, and those that are left of the response that `anew` makes when it is first needed. */
function withReaders(response: Response, anew: () => Response, own: PropertyDescriptorMap): Response {
  own.clone = { value: () => like(response, anew().clone()) };
  for (const name of OTHER_READERS.filter((name) => name in response))
    own[name] = { value: async () => (anew() as unknown as OtherReaders)[name]() };
  for (const property of Object.values(own)) property.configurable = true;
  return Object.defineProperties(response, own);
}
