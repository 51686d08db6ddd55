/** Challenges inside tool results, in JSON and in event streams. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { AuthSession } from 'mcp-reauth';

import { connect, MODERN, SDKS, succeeds } from './support/clients.mjs';
import { Fixture } from './support/fixture.mjs';
import { Front } from './support/front.mjs';
import { call, cancelled } from './support/messages.mjs';
import { Person } from './support/person.mjs';

const LIMIT = { timeout: 20_000 };

let fixture: Fixture;
let person: Person;
let session: AuthSession;

beforeEach(async () => {
  fixture = await Fixture.start();
  person = new Person();
  session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: person });
  assert.deepEqual(await session.signIn(), { kind: 'satisfied' });
  person.reset();
  await fixture.resetCounters();
});

afterEach(async () => {
  await session.close();
  await fixture[Symbol.asyncDispose]();
});

/** A session with the credential of `session`, for a front. */
async function signedInAt(front: Front): Promise<AuthSession> {
  await fixture.control('PATCH', '/faults', { metadata_resource: front.url });
  const other = await AuthSession.open({ serverUrl: front.url, sendResource: false, host: person });
  await other.setAuthState((await session.authState()) as object);
  return other;
}

/** A tool result that refuses a call. */
function refused(): string {
  const metadata = new URL('/.well-known/oauth-protected-resource/mcp', fixture.mcpUrl);
  const challenge = `Bearer error="insufficient_scope", scope="mcp:write", resource_metadata="${metadata}"`;
  const result = { isError: true, content: [], _meta: { 'mcp/www_authenticate': challenge } };
  return JSON.stringify({ jsonrpc: '2.0', id: 1, result });
}

describe('a tool that refuses by its result', LIMIT, () => {
  test('is recovered from, and called again', async () => {
    await fixture.control('PATCH', '/faults', { challenge_in_tool_result: true });
    for (const sdk of SDKS) {
      await session.signOut();
      const client = await connect(sdk, fixture, session.fetch);
      await fixture.resetCounters();
      person.reset();
      await fixture.expire();
      await succeeds(client, 'echo');
      await succeeds(client, 'write_note');
      const { tool_challenges, token_refresh } = await fixture.counters();
      assert.deepEqual({ tool_challenges, token_refresh }, { tool_challenges: 2, token_refresh: 1 }, sdk.name);
      assert.deepEqual([person.questions.length, person.pages.length], [1, 1], sdk.name);
      person.agrees = false;
      await assert.rejects(succeeds(client, 'delete_note'), { name: 'ReauthError', code: 'consent_denied' }, sdk.name);
      person.agrees = true;
      await client.close();
    }
  });

  test('within an event stream is called again in its place, and what came before passes', async () => {
    const noise = ': ping\n\nevent: message\ndata: {"jsonrpc":"2.0"}\r\n\r\ndata: {"method":"x"}\n\n';
    await using front = await Front.start(fixture.mcpUrl);
    await using other = await signedInAt(front);
    await fixture.control('PATCH', '/faults', { challenge_in_tool_result: true });
    for (const step of [1, 3, 10_000]) {
      front.streams = function* (json) {
        const text = Buffer.from(`${noise}data: ${json}\n\n`);
        for (let at = 0; at < text.length; at += step) yield text.subarray(at, at + step);
      };
      await fixture.expire();
      const response = await other.fetch(front.url, call('echo'));
      const text = await response.text();
      // The extra events of the first response, and all of the second.
      assert.equal(text.split('data: ').length, 6, text);
      assert.equal(response.url, front.url);
      assert.ok(text.startsWith(noise), text);
      assert.match(text, /hello/);
      assert.doesNotMatch(text, /www_authenticate/);
    }
    assert.equal((await fixture.counters()).token_refresh, 3);
  });

  test('within an event stream, and for good, is answered by an error that says why', async () => {
    await using front = await Front.start(fixture.mcpUrl);
    front.streams = (json) => [`data: ${json}\n\n`];
    await using other = await signedInAt(front);
    await fixture.control('PATCH', '/faults', { challenge_in_tool_result: true });
    person.agrees = false;
    const client = await MODERN.connect(front.url, other.fetch);
    const failed = client.callTool({ name: 'write_note', arguments: {} });
    await assert.rejects(
      failed,
      (error: Error & { data?: { code?: string } }) => error.data?.code === 'consent_denied',
    );
    await client.close();
  });

  test('is left alone where nobody can recover', async () => {
    await fixture.control('PATCH', '/faults', { challenge_in_tool_result: true, challenges: ['Basic realm="x"'] });
    await fixture.expire();
    const response = await session.fetch(fixture.mcpUrl, call('echo'));
    assert.match(await response.text(), /Basic realm/);
    assert.equal((await fixture.counters()).token_requests, 0);
  });

  test('within an event stream that its client cancels asks nobody any more, and is not called again', async () => {
    await using front = await Front.start(fixture.mcpUrl);
    const event = `data: ${refused()}\n\n`;
    front.streams = () => [event];
    await using other = await signedInAt(front);
    const asked = new Promise<void>((resolve) => {
      person.confirmStepUp = async () => {
        resolve();
        return new Promise(() => {});
      };
    });
    const { signal } = new AbortController();
    const response = await other.fetch(front.url, { ...call('echo'), signal });
    const text = response.text();
    await asked;
    await other.fetch(front.url, { ...cancelled(1), signal });
    assert.equal(await text, event, 'it is told what there is');
    assert.equal(front.seen.length, 2);
  });

  test('within an event stream, and fails otherwise when it is called again, is answered by an error', async () => {
    await using front = await Front.start(fixture.mcpUrl);
    await using other = await signedInAt(front);
    for (const answer of [{ status: 503, body: 'later' }, { status: 202 }, { status: 404, body: '' }]) {
      let calls = 0;
      front.answer = ({ body }) => {
        if (!body.includes('tools/call')) return undefined;
        calls += 1;
        const headers = { 'content-type': 'Text/Event-Stream; charset=utf-8' };
        return calls === 1 ? { status: 200, headers, body: `data: ${refused()}\n\n` } : answer;
      };
      const response = await other.fetch(front.url, call('write_note'));
      const text = await response.text();
      const { id, error } = JSON.parse(text.replace(/^data: /, ''));
      assert.deepEqual([id, error.code, error.data.code], [1, -32_080, 'http'], text);
      assert.match(error.message, new RegExp(String(answer.status)));
      await other.setAuthState((await session.authState()) as object);
    }
  });

  test('of another origin, by way of a redirect, is none of the server', async () => {
    await using front = await Front.start();
    const headers = { 'content-type': 'application/json' };
    front.answer = () => ({ status: 200, headers, body: refused() });
    await fixture.control('PATCH', '/faults', { redirect_mcp_to: front.url });
    await assert.rejects(session.fetch(fixture.mcpUrl, call('echo')), { code: 'http' });
    assert.deepEqual(front.seen, []);
    assert.equal(person.questions.length, 0);
  });
});

describe('an event stream that is looked through', LIMIT, () => {
  /** A hand-written stream, and a promise that resolves when its reader cancels it. */
  function byHand(): { stream: ReadableStream; write: (text: string) => void; cancelled: Promise<void> } {
    let write = (_: string) => {};
    let cancel = () => {};
    const cancelled = new Promise<void>((resolve) => {
      cancel = resolve;
    });
    const stream = new ReadableStream({
      start(controller) {
        write = (text) => controller.enqueue(Buffer.from(text));
      },
      cancel,
    });
    return { stream, write: (text) => write(text), cancelled };
  }

  async function watching(stream: ReadableStream): Promise<[Response, AsyncDisposable]> {
    const headers = { 'content-type': 'text/event-stream' };
    const fetch = async () => new Response(stream, { headers });
    const other = await AuthSession.open({ serverUrl: fixture.mcpUrl, fetch });
    await other.setAuthState((await session.authState()) as object);
    return [await other.fetch(fixture.mcpUrl, call('echo')), other];
  }

  test('ends at once when its reader leaves it, though nothing comes', async () => {
    const { stream, cancelled } = byHand();
    const [response, other] = await watching(stream);
    await response.body?.cancel();
    await cancelled;
    await other[Symbol.asyncDispose]();
  });

  test('gives each event when it is complete', async () => {
    const { stream, write } = byHand();
    const [response, other] = await watching(stream);
    const reader = response.body?.getReader();
    const read = async () => Buffer.from((await reader?.read())?.value ?? '').toString();
    for (const end of ['\n\n', '\r\r', '\r\n\r\n', '\n\r\n', '\r\n\n']) {
      write('data: fir');
      write(`st${end.slice(0, -1)}`);
      write(`${end.slice(-1)}data: sec`);
      let text = await read();
      assert.equal(text.trimEnd(), 'data: first', JSON.stringify(end));
      write('ond\n\n');
      while (!text.includes('second')) text += await read();
      assert.equal(text, `data: first${end}data: second\n\n`);
    }
    await reader?.cancel();
    await other[Symbol.asyncDispose]();
  });

  test('passes a large event in many pieces as it is', async () => {
    const { stream, write } = byHand();
    const [response, other] = await watching(stream);
    const piece = `${'x'.repeat(64 * 1024)}`;
    write('data: ');
    for (let i = 0; i < 255; i++) write(piece);
    write('\n\n');
    const { value } = (await response.body?.getReader().read()) ?? {};
    assert.equal(value?.length, 'data: '.length + 255 * piece.length + 2);
    await other[Symbol.asyncDispose]();
  });
});
