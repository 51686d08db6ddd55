/** A JSON response to a tool call is inspected before it is passed on: its reader must not notice. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';

import { AuthSession } from 'mcp-reauth';

import { call } from './support/messages.mjs';

const LIMIT = { timeout: 20_000 };
const BODIES = {
  'an answer': '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}',
  'one with a byte order mark': '\ufeff{"a":"\u00e9\u{1f600}"}',
  'one with bytes that are not UTF-8': Buffer.from([0x22, 0xff, 0xc3, 0x22]),
  'one that is no JSON': '{"a":',
  'an empty one': '',
  'a long one': JSON.stringify({ text: 'x'.repeat(300_000) }),
};

type Body = keyof typeof BODIES;

/** Ways to use a response; each returns what it saw. */
const USES: Record<string, (response: Response) => Promise<unknown>> = {
  'is read by text': (response) => response.text(),
  'is read by json': (response) => response.json(),
  'is read by arrayBuffer': async (response) => Buffer.from(await response.arrayBuffer()),
  'is read by blob': async (response) => {
    const blob = await response.blob();
    return [blob.type, Buffer.from(await blob.arrayBuffer())];
  },
  'is read by formData': async (response) => [...(await response.formData())],
  'is read by its stream': async (response) => {
    const pieces: Uint8Array[] = [];
    for await (const piece of response.body ?? []) pieces.push(piece);
    return [Buffer.concat(pieces), response.bodyUsed];
  },
  'is read twice': async (response) => [
    await response.text(),
    await name(response.text()),
    await name(response.json()),
  ],
  'is read twice, by json first': async (response) => {
    await response.json().catch(() => {});
    return [await name(response.json()), await name(response.arrayBuffer()), response.bodyUsed, response.body?.locked];
  },
  'is read twice, not by text first': async (response) => [
    (await response.arrayBuffer()).byteLength,
    await name(response.text()),
    await name(response.json()),
    response.bodyUsed,
  ],
  'is cloned': async (response) => {
    const before = response.bodyUsed;
    const clone = response.clone();
    const seen = [await clone.text(), clone.bodyUsed, response.bodyUsed, await response.text(), response.bodyUsed];
    return [before, ...seen, clone.status, clone.headers.get('content-type'), clone.url === response.url];
  },
  'is cloned when it was read': async (response) => {
    await response.text();
    return name((async () => response.clone())());
  },
  'is read when its stream is taken': async (response) => {
    const reader = response.body?.getReader();
    const seen = [response.bodyUsed, await name(response.text()), await name((async () => response.clone())())];
    await reader?.cancel();
    return [...seen, await name(response.json())];
  },
  'is let go of': async (response) => {
    await response.body?.cancel();
    return [response.bodyUsed, await name(response.text())];
  },
  'becomes part of another': async (response) => new Response(response.body, response).text(),
  'is looked at': async (response) => [
    response instanceof Response,
    response.url,
    response.type,
    response.redirected,
    response.status,
    response.statusText,
    response.ok,
    response.headers.get('x-own'),
    response.body?.locked,
    new Set([response.body, response.body]).size,
    response.bodyUsed,
  ],
};

/** The name of the error that something fails with. */
async function name(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: Error) => error.name,
  );
}

const server = createServer((request, response) => {
  const body = BODIES[decodeURIComponent(String(request.url).slice(1)) as Body];
  request.resume().on('end', () => {
    response.writeHead(201, 'Made', { 'content-type': 'application/json; charset=utf-8', 'x-own': 'kept' }).end(body);
  });
});
let origin: string;

before(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

/** The result of a use: what it saw, or the name of its error. */
async function outcome(response: Response, use: (response: Response) => Promise<unknown>): Promise<unknown> {
  return use(response).catch((error: Error) => error.name);
}

/** A request whose response is inspected, and one whose response is only bounded. */
const REQUESTS = { 'a call': call('echo'), 'a listing': { ...call('echo'), body: '{"method":"tools/list"}' } };

for (const [kind, init] of Object.entries(REQUESTS)) {
  for (const [body, content] of Object.entries(BODIES)) {
    describe(`${body} to ${kind}`, LIMIT, () => {
      for (const [how, use] of Object.entries(USES)) {
        test(how, async () => {
          const url = `${origin}/${encodeURIComponent(body)}`;
          await using session = await AuthSession.open({ serverUrl: url });
          const [ours, theirs] = await Promise.all([session.fetch(url, init), fetch(url, init)]);
          assert.notEqual(ours.json, theirs.json, 'it is read in another way');
          assert.deepEqual(await outcome(ours, use), await outcome(theirs, use));
        });
      }

      test('comes whole', async () => {
        const url = `${origin}/${encodeURIComponent(body)}`;
        await using session = await AuthSession.open({ serverUrl: url });
        const response = await session.fetch(url, init);
        assert.deepEqual(Buffer.from(await response.arrayBuffer()), Buffer.from(content));
      });
    });
  }
}
