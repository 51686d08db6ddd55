import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { after, afterEach, test } from 'node:test';

import { AuthSession, type AuthSessionOptions, type Fetch } from 'mcp-reauth';

import { answers, call, deferred, each, failure, same, THROWN, within } from './support/adversary.mjs';
import { SDKS, succeeds } from './support/clients.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person } from './support/person.mjs';

const LIMIT = { timeout: 60_000 };

const fixture = await Fixture.start();
after(() => fixture[Symbol.asyncDispose]());
afterEach(() => fixture.control('PUT', '/faults', {}));

function open(fetch: Fetch, more: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
  return AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person(), fetch, ...more });
}

const echo = (session: AuthSession, signal?: AbortSignal) => call(session, fixture.mcpUrl, 'echo', signal);
const urlOf = (input: string | URL | Request) => String(input instanceof Request ? input.url : input);
const isProtocol = (url: string) => url !== fixture.mcpUrl;

/** A `fetch` that replaces authorization requests whose address contains `part` with `instead`. */
function meddling(part: string, instead: (...given: Parameters<Fetch>) => unknown): Fetch {
  return (input, init) => {
    const url = urlOf(input);
    return isProtocol(url) && url.includes(part) ? (instead(input, init) as Promise<Response>) : fetch(input, init);
  };
}

for (const sdk of SDKS) {
  test(`a fetch of one's own sends all there is to send, and nothing else does (${sdk.name})`, LIMIT, async () => {
    const sent: string[] = [];
    await using session = await open((input, init) => {
      sent.push(urlOf(input));
      return fetch(input, init);
    });
    await fixture.resetCounters();
    const client = await sdk.connect(fixture.mcpUrl, session.fetch);
    await succeeds(client, 'echo');
    await fixture.expire();
    await succeeds(client, 'write_note');
    await client.close();
    await session.signOut();
    assert.equal(sent.length, await fixture.clientRequests());
    assert.ok(sent.includes(fixture.mcpUrl));
    for (const part of ['.well-known/oauth-protected-resource', '.well-known/oauth-authorization-server', '/register'])
      assert.ok(
        sent.some((url) => url.includes(part)),
        part,
      );
    for (const part of ['/token', '/revoke'])
      assert.ok(
        sent.some((url) => url.endsWith(part)),
        part,
      );
  });
}

test('requests of the protocol follow no redirect, carry no cookie, and can be aborted', LIMIT, async () => {
  const seen: [string, RequestInit | undefined][] = [];
  await using session = await open((input, init) => {
    if (isProtocol(urlOf(input))) seen.push([urlOf(input), init]);
    return fetch(input, init);
  });
  await answers(session, fixture.mcpUrl);
  assert.ok(seen.length >= 4);
  for (const [url, init] of seen) {
    assert.equal(init?.redirect, 'manual', url);
    assert.equal(init?.credentials, 'omit', url);
    assert.ok(init?.signal instanceof AbortSignal, url);
    assert.equal(new Headers(init?.headers).get('authorization'), null, url);
  }
});

for (const part of ['.well-known', '/register']) {
  test(
    `a fetch that fails for ${part} fails the request, whatever it throws, in its words and with the address`,
    LIMIT,
    () =>
      each(
        THROWN.map(({ name, ...thrown }) => [name, thrown] as const),
        async ({ make, words }) => {
          const fail = () => {
            throw make();
          };
          await using session = await open(meddling(part, fail));
          const error = await within(
            failure(() => echo(session)),
            'the request',
            4_000,
          );
          assert.equal(error.code, 'http');
          assert.match(error.message, words ?? /./);
          assert.ok(error.message.includes(part), error.message);
          assert.doesNotMatch(error.message, /line \d+, column|napi|rust|panic/i);
        },
      ),
  );
}

test('the cause of an error of the protocol is what the fetch threw', LIMIT, async () => {
  for (const part of ['.well-known', '/register', '/token']) {
    const thrown = new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });
    await using session = await open(meddling(part, () => Promise.reject(thrown)));
    const error = await failure(() => echo(session), part);
    assert.match(error.message, /fetch failed/);
    same(error.cause, thrown);
  }
});

test('a fetch that fails for a renewal leaves the credential as it is', LIMIT, async () => {
  let down = false;
  await using session = await open((input, init) => {
    if (down && isProtocol(urlOf(input))) throw new TypeError('fetch failed');
    return fetch(input, init);
  });
  await answers(session, fixture.mcpUrl);
  await fixture.expire();
  await fixture.resetCounters();
  down = true;
  const error = await failure(() => echo(session));
  assert.equal(error.code, 'refresh_unavailable');
  assert.match(error.message, /fetch failed/);
  down = false;
  await answers(session, fixture.mcpUrl);
  const { token_refresh, authorize_visits } = await fixture.counters();
  assert.deepEqual({ token_refresh, authorize_visits }, { token_refresh: 1, authorize_visits: 0 });
});

test('a fetch that fails for the server itself fails as it does without a session', LIMIT, () =>
  each(
    THROWN.map(({ name, ...thrown }) => [name, thrown] as const),
    async ({ make }) => {
      const thrown = make();
      await using session = await open(() => Promise.reject(thrown));
      const ended = await within(
        echo(session).then(
          () => assert.fail('it did not fail'),
          (error: unknown) => ({ error }),
        ),
        'the request',
      );
      same(ended.error, thrown);
    },
  ),
);

const NO_RESPONSES: Record<string, unknown> = {
  undefined: undefined,
  null: null,
  'a number': 200,
  'a text': '{}',
  'an object': {},
  'an object with a status': { status: 200 },
  'a status that is a text': { status: '200', headers: new Headers(), body: null },
  'a status with a fraction': { status: 200.5, headers: new Headers(), body: null },
  'a status that is too large': { status: 70_000, headers: new Headers(), body: null },
  'a status that is none of HTTP': { status: 1_000, headers: new Headers(), body: null },
  'headers that are an object': { status: 200, headers: { 'content-type': 'application/json' }, body: null },
  'headers that are numbers': { status: 200, headers: [[1, 2]], body: null },
  'a body that is a text': { status: 200, headers: new Headers(), body: '{}' },
  'a body of texts': { status: 200, headers: new Headers(), body: ['{', '}'] },
  'a body that is a number': { status: 200, headers: new Headers(), body: 5 },
  'a body of nothing': { status: 200, headers: new Headers(), body: [null] },
  'a request': new Request('https://a.example/'),
};

test('a fetch that returns no Response for the protocol fails by an error that says so', LIMIT, () =>
  each(Object.entries(NO_RESPONSES), async (value) => {
    await using session = await open(meddling('.well-known', async () => value));
    const error = await within(
      failure(() => echo(session)),
      'the request',
      5_000,
    );
    assert.equal(error.code, 'http', error.message);
    assert.match(error.message, /fetch/);
    assert.doesNotMatch(error.message, /line \d+, column|of undefined|of null|iterable/);
  }),
);

test('a response of another implementation of fetch is read like one of the platform', LIMIT, async () => {
  let answered = 0;
  await using session = await open(async (input, init) => {
    const response = await fetch(input, init);
    if (!isProtocol(urlOf(input))) return response;
    answered++;
    const { status } = response;
    const headers = new Map(response.headers);
    const body = Readable.from([Buffer.from(await response.arrayBuffer())]);
    return { status, headers, body } as never;
  });
  await answers(session, fixture.mcpUrl);
  assert.ok(answered >= 4);
});

test('a Response whose body fails, or is in use, fails the request', LIMIT, () =>
  each(
    Object.entries({
      'a body that breaks off': () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              controller.enqueue(Buffer.from('{'));
              controller.error(new Error('the connection broke'));
            },
          }),
        ),
      'a body that was read': async () => {
        const response = new Response('{}');
        await response.text();
        return response;
      },
      'a body that is locked': () => {
        const response = new Response('{}');
        response.body?.getReader();
        return response;
      },
      'a network error': () => Response.error(),
    }),
    async (make) => {
      await using session = await open(meddling('.well-known', make));
      const error = await failure(() => echo(session));
      assert.ok(['http', 'metadata_invalid'].includes(error.code), `${error.code}: ${error.message}`);
    },
  ),
);

test('a body of the protocol that is longer than 1 MiB is refused, and read no further', LIMIT, async () => {
  for (const part of ['.well-known', '/register', '/token']) {
    let read = 0;
    const cancelled = deferred();
    const endless = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            read += 65_536;
            controller.enqueue(new Uint8Array(65_536).fill(0x20));
          },
          cancel: () => cancelled.resolve(),
        }),
        { headers: { 'content-type': 'application/json' } },
      );
    await using session = await open(meddling(part, async () => endless()));
    const error = await failure(() => echo(session), part);
    assert.match(error.message, /longer than 1048576 bytes/, `${part}: ${error.message}`);
    await within(cancelled.promise, part);
    assert.ok(read < 64 * 1024 * 1024, `${part}: ${read} bytes`);
  }
});

test('a body of the protocol of 1 MiB is read', LIMIT, async () => {
  await using session = await open(
    meddling('oauth-protected-resource', async (input, init) => {
      const text = await (await fetch(input, init)).text();
      return new Response(text.padEnd(1024 * 1024), { headers: { 'content-type': 'application/json' } });
    }),
  );
  await answers(session, fixture.mcpUrl);
});

/** A server that records requests, and answers each with `{}`. */
async function elsewhere(): Promise<{ url: string; requests: string[] } & AsyncDisposable> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.authorization ?? ''}`);
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { url, requests, [Symbol.asyncDispose]: close };
}

for (const fault of ['redirect_metadata_to', 'redirect_registration_to', 'redirect_token_to']) {
  test(`requests of the protocol do not follow a redirect elsewhere (${fault})`, LIMIT, async () => {
    await using other = await elsewhere();
    await fixture.control('PATCH', '/faults', { [fault]: other.url });
    await using session = await open((input, init) => fetch(input, init));
    await failure(() => echo(session));
    assert.deepEqual(other.requests, []);
  });
}

test('what a fetch found by a redirect that it followed on its own is not used', LIMIT, async () => {
  await using other = await elsewhere();
  await fixture.control('PATCH', '/faults', { redirect_metadata_to: other.url });
  await using session = await open((input, init) => fetch(input, { ...init, redirect: 'follow' }));
  assert.match((await failure(() => echo(session))).message, /followed a redirect/);
  assert.ok(other.requests.length > 0);
});

test('a redirect of the server itself is not followed elsewhere', LIMIT, async () => {
  await using other = await elsewhere();
  await using session = await open((input, init) => fetch(input, init));
  await answers(session, fixture.mcpUrl);
  await fixture.control('PATCH', '/faults', { redirect_mcp_to: other.url });
  assert.equal((await failure(() => echo(session))).code, 'http');
  assert.deepEqual(other.requests, []);
});

test('an abort, and closing, end the waiting for a fetch that never answers', LIMIT, async () => {
  const asked = deferred();
  const session = await open(
    meddling('.well-known', () => {
      asked.resolve();
      return new Promise(() => {});
    }),
  );
  const stop = new AbortController();
  const first = echo(session, stop.signal);
  await within(asked.promise, 'the request for metadata');
  const second = failure(() => echo(session));
  stop.abort();
  await assert.rejects(within(first, 'the first request', 4_000), { name: 'AbortError' });
  await within(session.close(), 'closing', 4_000);
  assert.equal((await within(second, 'the second request')).code, 'cancelled');
});

test('a fetch that never answers is given up, and told so by its signal', LIMIT, async () => {
  const given = deferred<AbortSignal>();
  await using session = await open(
    meddling('.well-known', (_, init) => {
      given.resolve(init?.signal as AbortSignal);
      return new Promise(() => {});
    }),
  );
  const stop = new AbortController();
  const ended = echo(session, stop.signal).then(
    () => 'nothing',
    (error: { code?: string }) => error.code,
  );
  const signal = await given.promise;
  // An authorization request takes 20 seconds at most.
  await within(new Promise((resolve) => signal.addEventListener('abort', resolve)), 'the signal', 30_000);
  stop.abort();
  await within(ended, 'the request');
});

test('what a fetch throws, or answers, is not told with the secrets in it', LIMIT, async () => {
  const secrets: string[] = [];
  await using session = await open(async (input, init) => {
    if (!urlOf(input).endsWith('/token')) return fetch(input, init);
    const body = Buffer.from(init?.body as Uint8Array).toString();
    const sent = new URLSearchParams(body);
    secrets.push(sent.get('code') ?? '', sent.get('code_verifier') ?? '');
    throw new Error(`POST /token failed: ${body}`);
  });
  const { message, sentence } = await failure(() => echo(session));
  assert.ok(secrets.length > 0);
  for (const secret of secrets) assert.ok(secret !== '' && !`${message}${sentence}`.includes(secret), message);
});

test('a fetch is the one of the session, whatever becomes of the global one', LIMIT, async () => {
  const { fetch: original } = globalThis;
  let asked = 0;
  try {
    await using own = await open((input, init) => original(input, init));
    await using usual = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person() });
    globalThis.fetch = (input, init) => {
      if (urlOf(input as string) === fixture.mcpUrl) asked++;
      return original(input, init);
    };
    await answers(own, fixture.mcpUrl);
    assert.equal(asked, 0);
    await answers(usual, fixture.mcpUrl);
    assert.equal(asked, 2);
  } finally {
    globalThis.fetch = original;
  }
});

const STREAM = { 'content-type': 'text/event-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };
const ANSWER = '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}';
const streamed = () => new Response(`data: ${ANSWER}\n\n`, { headers: STREAM });
const plain = () => new Response(ANSWER, { headers: JSON_TYPE });

/** Responses that applications construct: each must be readable as if it had not been inspected. */
const MADE_UP: Record<string, () => Response> = {
  'a frozen stream': () => Object.freeze(streamed()),
  'a frozen answer': () => Object.freeze(plain()),
  'an answer of its own reading': () => Object.assign(plain(), { json: async () => JSON.parse(ANSWER) }),
  'an object that is like an answer': () => {
    const { status, ok, headers, body, url, type, redirected } = plain();
    const own = { status, ok, headers, body, url, type, redirected, statusText: '' };
    return { ...own, json: async () => JSON.parse(await new Response(body).text()) } as Response;
  },
};

for (const [what, make] of Object.entries(MADE_UP)) {
  test(`${what} is read by the client of a tool`, LIMIT, async () => {
    await using session = await open(async () => make());
    const response = await echo(session);
    const text = await new Response(response.body).text();
    assert.deepEqual(JSON.parse(text.replace(/^data: /, '')), JSON.parse(ANSWER));
    if (!what.includes('stream')) assert.deepEqual(await (await echo(session)).json(), JSON.parse(ANSWER));
  });
}

test('a signal that outlives its requests keeps nothing of them', LIMIT, async () => {
  await using session = await open(async () => streamed());
  const { signal } = new AbortController();
  const ends: Record<string, (response: Response) => Promise<unknown>> = {
    read: (response) => response.text(),
    'let go of': async (response) => response.body?.cancel(),
  };
  for (const [how, end] of Object.entries(ends)) {
    await end(await echo(session, signal));
    assert.equal(getEventListeners(signal, 'abort').length, 0, how);
  }
});
