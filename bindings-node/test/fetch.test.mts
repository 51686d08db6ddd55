/** What `session.fetch` sends, repeats, waits for and passes unchanged. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { AuthSession, type AuthSessionOptions, type Fetch, ReauthError } from 'mcp-reauth';

import { connect, SDKS } from './support/clients.mjs';
import { Fixture } from './support/fixture.mjs';
import { Front } from './support/front.mjs';
import { call, cancelled } from './support/messages.mjs';
import { Person } from './support/person.mjs';

const LIMIT = { timeout: 20_000 };

let fixture: Fixture;
let person: Person;
let session: AuthSession;

async function open(options: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
  return AuthSession.open({ serverUrl: fixture.mcpUrl, host: person, ...options });
}

/** A signed-in session. */
async function signedIn(options: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
  const session = await open(options);
  assert.deepEqual(await session.signIn(), { kind: 'satisfied' });
  person.reset();
  await fixture.resetCounters();
  return session;
}

/** A session with the credential of `session`, for a front. */
async function signedInAt(front: Front, options: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
  await fixture.control('PATCH', '/faults', { metadata_resource: front.url });
  const other = await open({ serverUrl: front.url, sendResource: false, ...options });
  await other.setAuthState((await session.authState()) as object);
  return other;
}

/** A `fetch` for the MCP server; other requests use the platform's. */
function only(fetch: () => Promise<Response>): Fetch {
  return (input, init) => (String(input) === fixture.mcpUrl ? fetch() : globalThis.fetch(input, init));
}

beforeEach(async () => {
  fixture = await Fixture.start();
  person = new Person();
  session = await signedIn();
});

afterEach(async () => {
  await session.close();
  await fixture[Symbol.asyncDispose]();
});

describe('a request', LIMIT, () => {
  test('does not carry a credential that the session no longer has', async () => {
    await using front = await Front.start(fixture.mcpUrl);
    await using other = await signedInAt(front, { policy: { interaction: false } });
    await other.fetch(front.url, call('echo'));
    await other.signOut();
    const response = await other.fetch(front.url, call('echo')).catch((error) => error);
    assert.equal(response.code, 'interaction_required');
    const sent = front.seen.map(({ headers }) => headers.authorization !== undefined);
    assert.deepEqual(sent, [true, false]);
  });

  test('keeps its header fields, and carries the credential', async () => {
    await using front = await Front.start(fixture.mcpUrl);
    await using other = await signedInAt(front);
    const init = call('echo');
    const given = new Headers(init.headers);
    given.set('x-own', 'kept');
    const response = await other.fetch(new URL(front.url), { ...init, headers: given });
    assert.equal(response.status, 200);
    const [seen] = front.seen;
    assert.equal(seen?.headers['x-own'], 'kept');
    assert.equal(seen?.headers.authorization, session.authorization()?.headerValue);
    assert.equal(given.has('authorization'), false, 'the headers that were handed in are left as they are');
  });

  test('takes its options along', async () => {
    const seen: RequestInit[] = [];
    const fetch = async (_: unknown, init: RequestInit = {}) => {
      seen.push(init);
      return new Response('{}', { headers: { 'content-type': 'application/json' } });
    };
    await using other = await open({ fetch });
    await other.setAuthState((await session.authState()) as object);
    const { signal } = new AbortController();
    await other.fetch(fixture.mcpUrl, { ...call('echo'), redirect: 'manual', signal, keepalive: true });
    assert.equal(seen[0]?.redirect, 'manual');
    assert.equal(seen[0]?.signal, signal);
    assert.equal(seen[0]?.keepalive, true);
  });

  test('is sent again with the same body, whatever kind that is', async () => {
    const bodies: Record<string, () => RequestInit['body']> = {
      text: () => call('echo').body,
      bytes: () => new TextEncoder().encode(call('echo').body),
      blob: () => new Blob([call('echo').body]),
    };
    for (const [kind, body] of Object.entries(bodies)) {
      await fixture.expire();
      const response = await session.fetch(fixture.mcpUrl, { ...call('echo'), body: body() ?? null });
      assert.equal(response.status, 200, kind);
      assert.match(await response.text(), /hello/, kind);
    }
    await fixture.expire();
    const response = await session.fetch(new Request(fixture.mcpUrl, call('echo')));
    assert.match(await response.text(), /hello/, 'a Request');
  });

  test('whose body is a stream is not sent again, but the credential is renewed for the next', async () => {
    await fixture.expire();
    const body = new Blob([call('echo').body]).stream();
    const init = { ...call('echo'), body, duplex: 'half' } as unknown as RequestInit;
    const response = await session.fetch(fixture.mcpUrl, init);
    assert.equal(response.status, 401);
    await response.body?.cancel();
    assert.equal((await fixture.counters()).token_refresh, 1);
    assert.equal((await session.fetch(fixture.mcpUrl, call('echo'))).status, 200);
    assert.equal((await fixture.counters()).mcp_requests, 2);
  });

  test('to another address goes through as it is', async () => {
    await using front = await Front.start(fixture.mcpUrl);
    front.answer = () => ({ status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } });
    const elsewhere = [
      front.url,
      new URL('/other', fixture.mcpUrl).href,
      fixture.mcpUrl.replace('127.0.0.1', 'localhost'),
    ];
    for (const url of elsewhere) {
      const response = await session.fetch(url, { ...call('echo'), redirect: 'manual' });
      assert.ok([401, 404].includes(response.status), `${url}: ${response.status}`);
      await response.body?.cancel();
    }
    assert.equal(front.seen[0]?.headers.authorization, undefined);
    const requests = await fixture.control<{ authorization?: string }[]>('GET', '/requests');
    assert.equal(JSON.stringify(requests).includes(session.authorization()?.headerValue ?? '?'), false);
    assert.equal((await fixture.counters()).token_requests, 0, 'nobody recovers from what others answer');
  });

  test('that is refused without a challenge is not sent again', async () => {
    await fixture.control('PATCH', '/faults', { plain_403: true });
    const response = await session.fetch(fixture.mcpUrl, call('echo'));
    assert.equal(response.status, 403);
    await response.body?.cancel();
    assert.equal(await fixture.clientRequests(), 1);
  });

  test('that fails on its way fails as it does with fetch', async () => {
    await fixture.control('PATCH', '/faults', { drop_mcp_connection: true });
    await assert.rejects(session.fetch(fixture.mcpUrl, call('echo')), TypeError);
  });

  test('that is redirected within the origin takes a proof for each address', async () => {
    await using bound = await Fixture.start({ dpop: 'required' });
    await using first = await AuthSession.open({ serverUrl: bound.mcpUrl, host: person });
    await first.signIn();
    const seen: string[] = [];
    const fetch = async (url: unknown, init: RequestInit = {}) => {
      const [, claims] = new Headers(init.headers).get('dpop')?.split('.') ?? [];
      seen.push(`${url} ${JSON.parse(Buffer.from(claims ?? '', 'base64url').toString()).htu} ${init.redirect}`);
      const location = ['/mcp/', 'http://127.0.0.1:9/elsewhere'][seen.length - 1] ?? '';
      return new Response(null, { status: 307, headers: { location } });
    };
    await using other = await AuthSession.open({ serverUrl: bound.mcpUrl, fetch });
    await other.setAuthState((await first.authState()) as object);
    await assert.rejects(other.fetch(bound.mcpUrl, call('echo')), { code: 'http', message: /not followed/ });
    assert.deepEqual(seen, [`${bound.mcpUrl} ${bound.mcpUrl} manual`, `${bound.mcpUrl}/ ${bound.mcpUrl}/ manual`]);
  });

  test('whose header fields can be read once is sent again with them', async () => {
    await using front = await Front.start(fixture.mcpUrl);
    await using other = await signedInAt(front);
    await fixture.expire();
    const init = call('echo');
    const headers = new Map(Object.entries({ ...init.headers, 'x-own': 'kept' })).entries();
    const response = await other.fetch(front.url, { ...init, headers: headers as unknown as Headers });
    assert.equal(response.status, 200);
    assert.deepEqual(
      front.seen.map(({ headers }) => headers['x-own']),
      ['kept', 'kept'],
    );
  });

  test('whose body is a stream asks nobody for what it cannot do again', async () => {
    const body = new Blob([call('write_note').body]).stream();
    const init = { ...call('write_note'), body, duplex: 'half' } as unknown as RequestInit;
    const response = await session.fetch(fixture.mcpUrl, init);
    assert.equal(response.status, 403);
    await response.body?.cancel();
    assert.deepEqual([person.questions.length, person.pages.length], [0, 0]);
  });

  test('is sent again although its rejection broke off meanwhile', async () => {
    let requests = 0;
    const broken = () =>
      new ReadableStream({ start: (controller) => controller.error(new Error('the connection broke')) });
    const fetch = async () => {
      requests += 1;
      return requests === 1 ? new Response(broken(), { status: 401 }) : new Response('{}');
    };
    await using other = await open({ fetch: only(fetch) });
    await other.setAuthState((await session.authState()) as object);
    assert.equal((await other.fetch(fixture.mcpUrl, call('echo'))).status, 200);
  });

  test('that fails for good leaves no response open', async () => {
    let open_ = 0;
    const body = () => new ReadableStream({ start: () => void open_++, cancel: () => void open_-- });
    const refusal = { 'www-authenticate': 'Bearer error="insufficient_scope", scope="mcp:admin"' };
    const fetch = async () => new Response(body(), { status: 403, headers: refusal });
    await using other = await open({ fetch: only(fetch), policy: { onInsufficientScope: 'throw' } });
    await other.setAuthState((await session.authState()) as object);
    await assert.rejects(other.fetch(fixture.mcpUrl, call('echo')), { code: 'insufficient_scope' });
    assert.equal(open_, 0);
  });

  test('that is answered by nothing is answered by nothing', async () => {
    const headers = { 'content-type': 'application/json' };
    const fetch = async () => new Response(null, { status: 204, headers });
    await using other = await open({ fetch: only(fetch) });
    await other.setAuthState((await session.authState()) as object);
    assert.equal((await other.fetch(fixture.mcpUrl, call('echo'))).status, 204);
  });

  test('streams its answer untouched', async () => {
    await using front = await Front.start();
    front.answer = () => ({
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      body: 'data: {}\r\n\r\n: x\n\n',
    });
    await using other = await signedInAt(front);
    const { body, ...init } = call('echo');
    const listed = await other.fetch(front.url, { ...init, body: body.replace('tools/call', 'tools/list') });
    const bare = await fetch(front.url, { ...init, body });
    assert.equal(await listed.text(), await bare.text());
    assert.equal(listed.url, bare.url);
    assert.equal(listed instanceof Response, true);
  });
});

describe('nobody waits any more', LIMIT, () => {
  /** A host whose user answers when the test calls `answer`. */
  function pondering(): { answer: (agrees: boolean) => void; asked: Promise<AbortSignal>; host: Person } {
    let answer = (_: boolean) => {};
    const answered = new Promise<boolean>((resolve) => {
      answer = resolve;
    });
    let hear = (_: AbortSignal) => {};
    const asked = new Promise<AbortSignal>((resolve) => {
      hear = resolve;
    });
    const host = new Person();
    host.confirmStepUp = (async (request: never, { signal }: { signal: AbortSignal }) => {
      host.questions.push(request);
      hear(signal);
      return answered;
    }) as typeof host.confirmStepUp;
    return { answer, asked, host };
  }

  test('for a request that was aborted: it ends at once, with the reason, and what the person was asked goes on', async () => {
    const { asked, answer, host } = pondering();
    await using other = await open({ host });
    await other.setAuthState((await session.authState()) as object);
    const controller = new AbortController();
    const aborted = other.fetch(fixture.mcpUrl, { ...call('write_note'), signal: controller.signal });
    const signal = await asked;
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(aborted, (error) => error === reason);
    assert.equal(signal.aborted, false);
    assert.equal((await other.fetch(fixture.mcpUrl, call('echo'))).status, 200, 'others go on meanwhile');
    const authorized = new Promise((resolve) => other.addEventListener('authorized', resolve));
    answer(true);
    await authorized;
    assert.equal((await other.fetch(fixture.mcpUrl, call('write_note'))).status, 200);
    assert.equal(host.questions.length, 1);
  });

  test('for anything of a session that is closed: everybody is told, and the question is taken back', async () => {
    const { asked, host } = pondering();
    const other = await open({ host });
    await other.setAuthState((await session.authState()) as object);
    const refused = assert.rejects(other.fetch(fixture.mcpUrl, call('write_note')), { code: 'cancelled' });
    const signal = await asked;
    await other.close();
    await refused;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  });

  test('for a request whose answer was cancelled: it is not sent again, and its first answer is handed through', async () => {
    const { asked, answer, host } = pondering();
    await using other = await open({ host });
    await other.setAuthState((await session.authState()) as object);
    // As in the SDK: a transport has one signal for all its requests.
    const { signal } = new AbortController();
    const first = other.fetch(fixture.mcpUrl, { ...call('write_note', 'a'), signal });
    const second = other.fetch(fixture.mcpUrl, { ...call('write_note', 'b'), signal });
    await asked;
    await other.fetch(fixture.mcpUrl, { ...cancelled('a'), signal });
    assert.equal((await first).status, 403);
    answer(true);
    assert.equal((await second).status, 200);
    const { mcp_403, authorize_visits } = await fixture.counters();
    assert.deepEqual(
      { mcp_403, authorize_visits, asked: host.questions.length },
      { mcp_403: 2, authorize_visits: 1, asked: 1 },
    );
    const calls = (await fixture.counters()).mcp_post;
    assert.equal(calls, 4, 'two calls, a notification, one repetition');
  });

  test('for a request that was cancelled before it was rejected: nobody is asked', async () => {
    await using front = await Front.start(fixture.mcpUrl);
    let refuse = () => {};
    const held = new Promise<void>((resolve) => {
      refuse = resolve;
    });
    front.answer = async ({ body }) => {
      if (body.includes('write_note')) await held;
      return undefined;
    };
    await using other = await signedInAt(front);
    const { signal } = new AbortController();
    const first = other.fetch(front.url, { ...call('write_note', 7), signal });
    await other.fetch(front.url, { ...cancelled(7), signal });
    refuse();
    assert.equal((await first).status, 403);
    assert.equal(person.questions.length, 0);
  });

  test('for the request of another client with the same id: that one goes on', async () => {
    const { asked, answer, host } = pondering();
    await using other = await open({ host });
    await other.setAuthState((await session.authState()) as object);
    const { signal } = new AbortController();
    const first = other.fetch(fixture.mcpUrl, { ...call('write_note', 1), signal });
    await asked;
    await other.fetch(fixture.mcpUrl, cancelled(1));
    answer(true);
    assert.equal((await first).status, 200);
  });
});

describe('an event stream', LIMIT, () => {
  let mcpSession: string;

  /** On the older wire, which has notifications for cancelling. */
  beforeEach(async () => {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const response = await session.fetch(fixture.mcpUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params }),
    });
    await response.text();
    mcpSession = response.headers.get('mcp-session-id') ?? '';
    await fixture.resetCounters();
  });

  const stream = (headers = {}) => ({
    method: 'GET',
    headers: {
      accept: 'text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      'mcp-session-id': mcpSession,
      ...headers,
    },
  });

  test('that is rejected is renewed silently', async () => {
    await fixture.expire();
    const controller = new AbortController();
    const response = await session.fetch(fixture.mcpUrl, { ...stream(), signal: controller.signal });
    assert.equal(response.status, 200);
    controller.abort();
    const { token_refresh, mcp_get } = await fixture.counters();
    assert.deepEqual({ token_refresh, mcp_get }, { token_refresh: 1, mcp_get: 2 });
  });

  test('that needs a person waits until somebody has signed in, and asks nobody', async () => {
    await fixture.control('POST', '/revoke');
    const opened = session.fetch(fixture.mcpUrl, stream());
    await fixture.until(({ mcp_401, token_refresh }) => mcp_401 >= 1 && token_refresh >= 1);
    assert.equal(person.pages.length, 0);
    assert.equal((await session.fetch(fixture.mcpUrl, call('echo'))).status, 200);
    assert.equal(person.pages.length, 1, 'the call signs in');
    const response = await opened;
    assert.equal(response.status, 200);
    await response.body?.cancel();
  });

  test('that waits can be aborted', async () => {
    await fixture.control('POST', '/revoke');
    const controller = new AbortController();
    const opened = session.fetch(fixture.mcpUrl, { ...stream(), signal: controller.signal });
    await fixture.until(({ token_refresh }) => token_refresh >= 1);
    controller.abort();
    await assert.rejects(opened, { name: 'AbortError' });
  });

  test('that resumes an answer tells its failure', async () => {
    await fixture.control('POST', '/revoke');
    const opened = session.fetch(fixture.mcpUrl, stream({ 'last-event-id': '1' }));
    await assert.rejects(opened, { code: 'interaction_required' });
    assert.equal(person.pages.length, 0);
  });

  test('of the older transport, which connecting waits for, signs in', async () => {
    await fixture.control('POST', '/revoke');
    const response = await session.fetch(fixture.mcpUrl, { headers: { accept: 'text/event-stream' } });
    await response.body?.cancel();
    assert.equal(person.pages.length, 1);
  });

  test('whose session ends is recovered from when that is rejected', async () => {
    for (const sdk of SDKS.filter(({ requests }) => requests === 3)) {
      const client = await connect(sdk, fixture, session.fetch);
      assert.ok(client.sessionId, sdk.name);
      await fixture.expire();
      await client.terminate();
      const { mcp_delete } = await fixture.counters();
      assert.equal(mcp_delete, 2, sdk.name);
      await client.close();
      await fixture.resetCounters();
    }
    assert.equal(person.pages.length, 0);
  });
});

test('after closing, everything ends with a clear error', LIMIT, async () => {
  const other = await open();
  await other.setAuthState((await session.authState()) as object);
  await other.close();
  await other.close();
  await assert.rejects(other.fetch(fixture.mcpUrl, call('echo')), { name: 'ReauthError', code: 'cancelled' });
  await assert.rejects(other.fetch('http://127.0.0.1:9/elsewhere'), { code: 'cancelled' });
  await assert.rejects(other.connectionState(), { code: 'cancelled' });
  await assert.rejects(other.signIn(), { code: 'cancelled' });
  assert.equal(other.authorization(), undefined);
  assert.ok((await session.connectionState()).signedIn, 'others go on');
});

test('an error knows what it would take', LIMIT, async () => {
  await using other = await open({ policy: { onInsufficientScope: 'throw' } });
  await other.setAuthState((await session.authState()) as object);
  await assert.rejects(other.fetch(fixture.mcpUrl, call('write_note')), (error) => {
    assert.ok(error instanceof ReauthError);
    assert.equal(error.code, 'insufficient_scope');
    assert.deepEqual(error.challenge?.requiredScopes, ['mcp:read', 'mcp:write']);
    assert.match(error.challenge?.resourceMetadata ?? '', /oauth-protected-resource/);
    const { code, message, sentence } = error;
    const form = JSON.parse(JSON.stringify(error));
    assert.deepEqual({ code: form.code, message: form.message, sentence: form.sentence }, { code, message, sentence });
    return true;
  });
});
