import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { AuthSession, type AuthSessionOptions, type SessionEvent } from 'mcp-reauth';

import { answers, deferred, SECRET, within } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person } from './support/person.mjs';

const LIMIT = { timeout: 20_000 };

const fixture = await Fixture.start();
after(() => fixture[Symbol.asyncDispose]());

function open(more: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
  return AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person(), ...more });
}

type Kind = SessionEvent['kind'];

/** Reads events up to one of the kind `last`, and returns their kinds. */
async function until(events: AsyncIterator<SessionEvent>, last: Kind): Promise<Kind[]> {
  const kinds: Kind[] = [];
  for (;;) {
    const { value, done } = await within(events.next(), `the event ${last}, after ${kinds}`);
    if (done) assert.fail(`the events end after ${kinds}`);
    kinds.push(value.kind);
    if (value.kind === last) return kinds;
  }
}

/** Causes one event. */
async function signOut(session: AuthSession): Promise<void> {
  await session.signOut();
}

const SIGN_IN: Kind[] = ['challenged', 'authorization_started', 'authorized'];
const STEP_UP: Kind[] = ['challenged', 'consent_asked', 'authorization_started', 'authorized'];

test('every reader is told of everything, in order, and so are listeners', LIMIT, async () => {
  await using session = await open();
  const readers = [session.events(), session.events(), session.events()];
  const heard: Kind[] = [];
  const over = deferred();
  for (const kind of new Set<Kind>([...SIGN_IN, ...STEP_UP, 'signed_out'])) {
    session.addEventListener(kind, ({ detail }) => {
      heard.push(detail.kind);
      if (kind === 'signed_out') over.resolve();
    });
  }
  await answers(session, fixture.mcpUrl);
  await answers(session, fixture.mcpUrl, 'write_note');
  await signOut(session);
  const all = [...SIGN_IN, ...STEP_UP, 'signed_out'];
  for (const reader of readers) assert.deepEqual(await until(reader, 'signed_out'), all);
  await within(over.promise, 'the listener');
  assert.deepEqual(heard, all);
});

test('events hold no token, code, verifier or secret', LIMIT, async () => {
  await using session = await open();
  const reader = session.events();
  await answers(session, fixture.mcpUrl, 'write_note');
  await fixture.expire();
  await answers(session, fixture.mcpUrl);
  await signOut(session);
  const told: string[] = [];
  for await (const event of reader) {
    told.push(JSON.stringify(event));
    if (event.kind === 'signed_out') break;
  }
  const secrets = await fixture.control<string[]>('GET', '/secrets');
  assert.ok(secrets.length > 3);
  for (const secret of secrets) assert.ok(!told.join().includes(secret));
});

test('a reader that leaves early is told nothing more, and the others everything', LIMIT, async () => {
  await using session = await open();
  const [leaves, stays] = [session.events(), session.events()];
  await signOut(session);
  for await (const event of leaves) {
    assert.equal(event.kind, 'signed_out');
    break;
  }
  await answers(session, fixture.mcpUrl);
  assert.deepEqual(await until(stays, 'authorized'), ['signed_out', ...SIGN_IN]);
  assert.deepEqual(await leaves.next(), { value: undefined, done: true });
});

test('a reader that leaves while it waits is let go of', LIMIT, async () => {
  await using session = await open();
  const reader = session.events();
  const waiting = [reader.next(), reader.next()];
  await reader.return?.();
  for (const next of waiting) assert.deepEqual(await within(next, 'next'), { value: undefined, done: true });
  await reader.return?.();
});

test('several calls of next wait in line, and each gets its own event', LIMIT, async () => {
  await using session = await open();
  const reader = session.events();
  const next = Array.from({ length: SIGN_IN.length }, () => reader.next());
  await answers(session, fixture.mcpUrl);
  const results = await within(Promise.all(next), 'the events');
  assert.deepEqual(
    results.map(({ value }) => value.kind),
    SIGN_IN,
  );
});

test('a reader that is slow loses the oldest events, and nobody waits for it', LIMIT, async () => {
  await using session = await open();
  const [slow, counting] = [session.events(), session.events()];
  await answers(session, fixture.mcpUrl);
  await until(counting, 'authorized');
  for (let times = 0; times < 1_000; times++) {
    await signOut(session);
    await until(counting, 'signed_out');
  }
  // The last thousand are kept; those of the sign-in are dropped.
  assert.equal((await slow.next()).value.kind, 'signed_out');
  await session.close();
  let left = 0;
  for await (const event of slow) {
    assert.equal(event.kind, 'signed_out');
    left++;
  }
  assert.equal(left, 999);
});

test('a reader begins with what happens after it was made', LIMIT, async () => {
  await using session = await open();
  const early = session.events();
  await answers(session, fixture.mcpUrl);
  await until(early, 'authorized');
  const late = session.events();
  await signOut(session);
  assert.deepEqual(await until(late, 'signed_out'), ['signed_out']);
});

test('closing a session ends its events, after those that happened', LIMIT, async () => {
  const session = await open();
  const [read, unread, waits] = [session.events(), session.events(), session.events()];
  await signOut(session);
  await until(read, 'signed_out');
  await until(waits, 'signed_out');
  const next = waits.next();
  await session.close();
  assert.deepEqual(await within(next, 'the reader that waits'), { value: undefined, done: true });
  assert.deepEqual(await read.next(), { value: undefined, done: true });
  assert.equal((await unread.next()).value.kind, 'signed_out');
  assert.deepEqual(await unread.next(), { value: undefined, done: true });
  assert.deepEqual(await session.events().next(), { value: undefined, done: true });
});

test('a listener that is removed, or was for once, hears nothing more', LIMIT, async () => {
  await using session = await open();
  const heard: string[] = [];
  const removed = () => heard.push('removed');
  session.addEventListener('signed_out', removed);
  session.addEventListener('signed_out', () => heard.push('once'), { once: true });
  session.addEventListener('signed_out', { handleEvent: () => heard.push('object') });
  session.removeEventListener('signed_out', removed);
  const reader = session.events();
  for (const _ of ['first', 'second']) {
    await signOut(session);
    await until(reader, 'signed_out');
  }
  await session.close();
  assert.deepEqual(heard, ['once', 'object', 'object']);
});

test('sessions hear nothing of each other', LIMIT, async () => {
  await using session = await open();
  await using other = await open({ profile: SECRET });
  const [reader, others] = [session.events(), other.events()];
  await answers(other, fixture.mcpUrl);
  await until(others, 'authorized');
  await signOut(session);
  assert.deepEqual(await until(reader, 'signed_out'), ['signed_out']);
});
