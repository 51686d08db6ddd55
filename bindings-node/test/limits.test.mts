/** Limits for the size of responses: an endless response or event must not exhaust a program's memory. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import type { ServerResponse } from 'node:http';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import type { AuthSession } from 'mcp-reauth';

import { failure } from './support/adversary.mjs';
import { call } from './support/messages.mjs';
import { drained, type Served, serve, signedInTo } from './support/signed-in.mjs';

const LIMIT = { timeout: 30_000 };
const MOST = 16 * 1024 * 1024;
const JSON_TYPE = { 'content-type': 'application/json' };
const STREAM = { 'content-type': 'text/event-stream' };
const PIECE = Buffer.alloc(64 * 1024, 'x');

/** Sends up to `size` bytes while the client reads, and returns how many were sent. */
async function send(response: ServerResponse, size: number): Promise<number> {
  let sent = 0;
  while (sent < size && !response.destroyed) {
    const piece = PIECE.subarray(0, Math.min(PIECE.length, size - sent));
    sent += piece.length;
    if (!response.write(piece)) await drained(response);
  }
  return sent;
}

/** A server with an endless response, which reports when the client has gone. */
async function endless(
  status: number,
  headers: Record<string, string>,
  before = '',
): Promise<Served & { gone: Promise<number> }> {
  let tell = (_: number) => {};
  const gone = new Promise<number>((resolve) => {
    tell = resolve;
  });
  const served = await serve(async (request, response) => {
    request.resume();
    response.writeHead(status, headers).write(before);
    tell(await send(response, Number.POSITIVE_INFINITY));
  });
  return Object.assign(served, { gone });
}

const listing: RequestInit = { ...call('echo'), body: JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/list' }) };
const stream: RequestInit = { headers: { accept: 'text/event-stream', 'mcp-session-id': 'session-1' } };
const bytes: RequestInit = { ...call('echo'), body: Buffer.from(call('echo').body) };

const READ: Record<string, (response: Response) => Promise<unknown>> = {
  text: (response) => response.text(),
  json: (response) => response.json(),
  arrayBuffer: (response) => response.arrayBuffer(),
  blob: (response) => response.blob(),
  'its stream': async (response) => {
    for await (const _ of response.body ?? []);
  },
  'a clone': (response) => {
    const clone = response.clone();
    void response.body?.cancel();
    return clone.text();
  },
};

describe('an endless answer fails by a typed error, and its source is let go of', LIMIT, () => {
  const requests = {
    'a tool call': [200, call('echo')],
    'a listing': [200, listing],
    'a page': [500, call('echo')],
  } as const;
  for (const [kind, [status, init]] of Object.entries(requests)) {
    for (const [how, read] of Object.entries(READ)) {
      test(`to ${kind}, read by ${how}`, async () => {
        await using server = await endless(status, JSON_TYPE, '{"a":"');
        await using session = await signedInTo(`${server.origin}/mcp`);
        const reading = async () => read(await session.fetch(session.serverUrl, init));
        const typed = how === 'a clone' ? {} : { name: 'ReauthError', code: 'http' };
        // Node 20.9 gives the reader of a clone a structured copy of the error, without its class.
        await assert.rejects(reading, { ...typed, message: /the response is longer than 16777216 bytes/ });
        assert.ok((await server.gone) < 2 * MOST);
      });
    }
  }

  test('also when it says so itself, and is not read at all then', async () => {
    await using server = await endless(200, { ...JSON_TYPE, 'content-length': String(MOST + 1) });
    await using session = await signedInTo(`${server.origin}/mcp`);
    assert.equal((await failure(() => session.fetch(session.serverUrl, listing))).code, 'http');
    assert.ok((await server.gone) < MOST);
  });

  test('also when it is small on its way', async () => {
    const body = gzipSync(Buffer.alloc(MOST + 1, ' '));
    await using server = await serve((request, response) => {
      request.resume();
      response.writeHead(200, { ...JSON_TYPE, 'content-encoding': 'gzip' }).end(body);
    });
    await using session = await signedInTo(`${server.origin}/mcp`);
    const error = await failure(() => session.fetch(session.serverUrl, call('echo')));
    assert.match(error.message, /longer than/);
  });
});

/** A server with a response of `size` bytes. */
async function answering(headers: Record<string, string>, size: number, end = ''): Promise<Served> {
  return serve(async (request, response) => {
    request.resume();
    response.writeHead(200, headers);
    await send(response, size - end.length);
    response.end(end);
  });
}

test('what is as long as is read comes whole', LIMIT, async () => {
  for (const [headers, end] of [
    [JSON_TYPE, ''],
    [STREAM, '\n\n'],
  ] as const) {
    await using server = await answering(headers, MOST, end);
    await using session = await signedInTo(`${server.origin}/mcp`);
    for (const init of [call('echo'), listing, stream, bytes]) {
      const response = await session.fetch(session.serverUrl, init);
      assert.equal((await response.arrayBuffer()).byteLength, MOST);
    }
  }
});

/** What was read from a stream until it ended, and its error. */
async function readStream(session: AuthSession, init: RequestInit): Promise<string> {
  const response = await session.fetch(session.serverUrl, init);
  return response.text();
}

describe('an endless event', LIMIT, () => {
  for (const [kind, init] of Object.entries({ 'a tool call': call('echo', 7), 'a listing': listing })) {
    test(`in the answer to ${kind} becomes an error that answers it, after what came before`, async () => {
      const first = 'data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n';
      await using server = await endless(200, STREAM, `${first}data: `);
      await using session = await signedInTo(`${server.origin}/mcp`);
      const text = await readStream(session, init);
      assert.ok(text.startsWith(first), text.slice(0, 200));
      const { id, error } = JSON.parse(text.slice(first.length).replace(/^data: /, ''));
      assert.deepEqual([id, error.code, error.data.code], [7, -32_080, 'http']);
      assert.match(error.message, /an event is longer than 16777216 bytes/);
      assert.ok((await server.gone) < 2 * MOST);
    });
  }

  for (const [kind, init] of Object.entries({ 'an idle stream': stream, 'a message that is not known': bytes })) {
    test(`in ${kind} ends it with a typed error`, async () => {
      await using server = await endless(200, STREAM, 'data: ');
      await using session = await signedInTo(`${server.origin}/mcp`);
      const error = await failure(() => readStream(session, init));
      assert.deepEqual([error.code, /an event is longer/.test(error.message)], ['http', true]);
      assert.ok((await server.gone) < 2 * MOST);
    });
  }

  test('in one piece is no other', async () => {
    const event = (size: number) => `data: ${'x'.repeat(size)}\n\n`;
    const whole = Buffer.from(event(5) + event(MOST) + event(5));
    const fetch = async () => new Response(whole, { headers: STREAM });
    await using session = await signedInTo('http://127.0.0.1:9/mcp', { fetch });
    const text = await readStream(session, call('echo', 7));
    assert.ok(!text.includes('xxxxxx'), 'the second is not passed');
    assert.match(text, /"code":-32080/);
  });

  test('is none where many events are longer together', async () => {
    const event = Buffer.from(`data: ${'x'.repeat(MOST / 4)}\n\n`);
    const fetch = async () => new Response(Buffer.concat(Array(9).fill(event)), { headers: STREAM });
    await using session = await signedInTo('http://127.0.0.1:9/mcp', { fetch });
    for (const init of [call('echo'), listing, stream]) {
      assert.equal((await readStream(session, init)).length, 9 * event.length);
    }
  });
});

const run = promisify(execFile);
const program = fileURLToPath(new URL('./programs/swallowing.mjs', import.meta.url));

for (const sdk of ['1', '2']) {
  test(`memory stays as it is when a server answers SDK ${sdk} without an end`, { timeout: 120_000 }, async (t) => {
    const { stdout } = await run(process.execPath, [program, sdk]);
    const { failed, peak } = JSON.parse(stdout);
    t.diagnostic(`${Math.round(peak / 1024 / 1024)} MiB more, at the most`);
    assert.deepEqual(failed, { answer: true, event: true, listing: true });
    assert.ok(peak < 160 * 1024 * 1024, `it grew by ${peak} bytes`);
  });
}
