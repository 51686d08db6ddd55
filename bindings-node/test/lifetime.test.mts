import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { AuthSession, type Fetch } from 'mcp-reauth';

import { answers, collectGarbage, within } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person } from './support/person.mjs';
import { MapStore } from './support/stores.mjs';

const LIMIT = { timeout: 60_000 };

const fixture = await Fixture.start();
after(() => fixture[Symbol.asyncDispose]());

/** Runs a program of `test/programs`, and returns its output and exit code. */
async function run(program: string, args: string[], ms: number) {
  const path = fileURLToPath(new URL(`programs/${program}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [printed, complained] = ['', ''];
  child.stdout.on('data', (data) => {
    printed += data;
  });
  child.stderr.on('data', (data) => {
    complained += data;
  });
  try {
    const [code, signal] = await within(once(child, 'close'), `${program} ${args[0]}: ${printed}`, ms);
    return { code, signal, complained, lines: printed.trim().split('\n') };
  } finally {
    child.kill('SIGKILL');
  }
}

const WAYS: Record<string, { lines: string[]; code?: number }> = {
  'is only opened': { lines: ['done'] },
  'is opened and closed': { lines: ['done'] },
  'listens to events': { lines: ['done'] },
  'aborts the request': { lines: ['AbortError', 'done'] },
  'closes the session': { lines: ['cancelled', 'done'] },
  'signs in and closes the session': { lines: ['cancelled', 'done'] },
  exits: { lines: [''], code: 7 },
  throws: { lines: [''], code: 1 },
};

for (const [way, { lines, code = 0 }] of Object.entries(WAYS)) {
  test(`a program that ${way} ends at once, whatever its host is still asked`, LIMIT, async () => {
    const ended = await run('outstanding', [way, fixture.mcpUrl], 10_000);
    assert.deepEqual(ended.lines, lines, ended.complained);
    assert.deepEqual([ended.code, ended.signal], [code, null], ended.complained);
    if (code === 0) assert.equal(ended.complained, '');
    else assert.doesNotMatch(ended.complained, /panic|napi|SIG/i);
  });
}

test('workers may end, or be terminated, with anything outstanding: the other threads go on', LIMIT, async () => {
  const ended = await run('workers', [fixture.mcpUrl], 50_000);
  assert.deepEqual([ended.code, ended.signal], [0, null], ended.complained);
  assert.deepEqual(ended.lines, ['host', 'store', 'host', 'fetch', 'store', 'exit', 'throw', 'close']);
  assert.doesNotMatch(ended.complained, /panic|FATAL/i);
});

/** Opens a session and drops every reference to it except what `keep` returns. */
async function kept<T>(keep: (session: AuthSession) => T, store = new MapStore()): Promise<[T, WeakRef<AuthSession>]> {
  const session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person(), store });
  return [keep(session), new WeakRef(session)];
}

test('a session of which only its fetch is kept goes on asking its host and its store', LIMIT, async () => {
  const [fetch, session] = await kept<Fetch>((session) => session.fetch);
  await collectGarbage(session);
  await answers({ fetch }, fixture.mcpUrl);
  await collectGarbage(session);
  await fixture.expire();
  await answers({ fetch }, fixture.mcpUrl);
  await answers({ fetch }, fixture.mcpUrl, 'write_note');
});

test('a session of which only its authProvider is kept goes on asking its host and its store', LIMIT, async () => {
  const [provider, session] = await kept((session) => session.authProvider);
  await collectGarbage(session);
  await provider.onUnauthorized({ response: new Response(null, { status: 401 }) });
  assert.ok(await provider.token());
});

test('a session of which only a request is kept goes on asking its host and its store', LIMIT, async () => {
  const [request, session] = await kept((session) => session.request());
  await collectGarbage(session);
  assert.equal(await request.recover(new Response(null, { status: 401 })), true);
  assert.match((await request.authorize()).authorization ?? '', /^Bearer /);
});

test('a session of which only its events are kept goes on telling of them, or ends them', LIMIT, async () => {
  const [events, session] = await kept((session) => session.events());
  await collectGarbage(session);
  if (session.deref()) return;
  assert.deepEqual(await within(events.next(), 'the end of the events'), { value: undefined, done: true });
});

test('a session that is forgotten while it renews has its tokens stored all the same', LIMIT, async () => {
  const store = new MapStore();
  const [fetch, session] = await kept<Fetch>((session) => session.fetch, store);
  await answers({ fetch }, fixture.mcpUrl);
  const before = store.record.data.grant?.refresh_token;
  await fixture.expire();
  await fixture.resetCounters();
  await fixture.control('PATCH', '/faults', { token_hold: true });
  const answer = answers({ fetch }, fixture.mcpUrl);
  try {
    while ((await fixture.counters()).token_requests === 0) await collectGarbage(session);
  } finally {
    await fixture.control('PATCH', '/faults', { token_hold: null });
  }
  await answer;
  assert.notEqual(store.record.data.grant?.refresh_token, before);
});

test('a session that everybody forgot is collected, with its host and its store', LIMIT, async () => {
  const refs: WeakRef<object>[] = [];
  await (async () => {
    const host = new Person();
    const store = new MapStore();
    const session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host, store });
    await answers(session, fixture.mcpUrl);
    refs.push(new WeakRef(session), new WeakRef(host), new WeakRef(store));
  })();
  for (const ref of refs) await collectGarbage(ref);
  assert.deepEqual(
    refs.map((ref) => ref.deref()),
    [undefined, undefined, undefined],
  );
});

test('a session that was closed and forgotten is collected, with its host and its store', LIMIT, async () => {
  const refs: WeakRef<object>[] = [];
  await (async () => {
    const host = new Person();
    const store = new MapStore();
    const session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host, store });
    await answers(session, fixture.mcpUrl);
    await session.close();
    refs.push(new WeakRef(session), new WeakRef(host), new WeakRef(store));
  })();
  for (const ref of refs) await collectGarbage(ref);
  assert.deepEqual(
    refs.map((ref) => ref.deref()),
    [undefined, undefined, undefined],
  );
});
