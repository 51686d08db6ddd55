import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { AuthSession, type AuthSessionOptions, FileStore } from 'mcp-reauth';

import { answers, each, failure, SECRET } from './support/adversary.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person } from './support/person.mjs';

const LIMIT = { timeout: 20_000 };

const fixture = await Fixture.start();
const folder = await mkdtemp(join(tmpdir(), 'file-store-'));
after(() => fixture[Symbol.asyncDispose]());
after(() => rm(folder, { recursive: true }));

let last = 0;
const fresh = () => join(folder, `${++last}`, 'credentials.json');

function open(path: string, more: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
  const store = new FileStore(path);
  return AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person(), store, ...more });
}

const POSIX = process.platform === 'win32' ? { ...LIMIT, skip: 'there are no modes' } : LIMIT;

test('the file, and all that is beside it, can be read by its owner only', POSIX, async () => {
  const path = fresh();
  await using session = await open(path);
  await answers(session, fixture.mcpUrl);
  await fixture.expire();
  await answers(session, fixture.mcpUrl);
  const parent = join(path, '..');
  for (const name of await readdir(parent, { recursive: true })) {
    const { mode } = await stat(join(parent, name));
    assert.equal(mode & 0o077, 0, name);
  }
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(parent)).mode & 0o777, 0o700);
});

test('a session goes on after a restart, and so does another one on the same file', LIMIT, async () => {
  const path = fresh();
  await (await open(path)).close();
  await using first = await open(path);
  await answers(first, fixture.mcpUrl);
  const person = new Person();
  await using second = await open(path, { host: person });
  await answers(second, fixture.mcpUrl);
  await fixture.expire();
  await fixture.resetCounters();
  const sessions = Array.from({ length: 20 }, (_, number) => (number % 2 ? first : second));
  await Promise.all(sessions.map((session) => answers(session, fixture.mcpUrl)));
  assert.equal((await fixture.counters()).token_refresh, 1);
  assert.equal(person.pages.length, 0);
});

test('a file that cannot be used is a store error with its path; it is left as it is, and not quoted', LIMIT, () =>
  each(
    Object.entries({
      words: SECRET,
      'half of it': '{"format":1,"records":[{"profile":"default","server":"',
      'other JSON': JSON.stringify({ token: SECRET }),
      'a newer format': JSON.stringify({ format: 99, last_version: 1, records: [] }),
      'a list': '[]',
      'no Unicode': Buffer.from([0xff, 0xfe, 0x00]),
    }),
    async (contents) => {
      const path = fresh();
      await mkdir(join(path, '..'));
      await writeFile(path, contents);
      const error = await failure(() => open(path));
      assert.equal(error.code, 'store');
      assert.ok(error.message.includes(path), error.message);
      assert.ok(!`${error.message}${error.sentence}`.includes(SECRET));
      assert.deepEqual(await readFile(path), Buffer.from(contents as string));
      assert.deepEqual(await readdir(join(path, '..')), ['credentials.json']);
    },
  ),
);

test('a file that is damaged while a session uses it is a store error, and is left as it is', LIMIT, async () => {
  const path = fresh();
  await using session = await open(path);
  await answers(session, fixture.mcpUrl);
  await writeFile(path, SECRET);
  for (const work of [
    () => session.connectionState(),
    () => session.authState(),
    () => session.signIn({ again: true }),
  ]) {
    const ended = await Promise.resolve(work()).then(
      (outcome) => (outcome as { error?: unknown } | undefined)?.error,
      (error: unknown) => error,
    );
    assert.match(String(ended), /ReauthError: The credential store failed/);
    assert.ok(String(ended).includes(path));
  }
  assert.equal(await readFile(path, 'utf8'), SECRET);
});

const unusable: Record<string, () => Promise<string>> = {
  'a folder': async () => {
    const path = fresh();
    await mkdir(path, { recursive: true });
    return path;
  },
  'a path below a file': async () => {
    const path = fresh();
    await mkdir(join(path, '..'));
    await writeFile(path, '');
    return join(path, 'credentials.json');
  },
  'a path with a zero byte': async () => join(folder, 'zero\0byte'),
  'a name that is too long': async () => join(folder, 'x'.repeat(300)),
  'a link to itself': async () => {
    const path = fresh();
    await mkdir(join(path, '..'));
    await symlink(path, path);
    return path;
  },
};

for (const [kind, make] of Object.entries(unusable)) {
  test(`${kind} is a store error with the path`, LIMIT, async () => {
    const path = await make();
    const error = await failure(async () => {
      await using session = await open(path);
      await answers(session, fixture.mcpUrl);
    });
    assert.equal(error.code, 'store', error.message);
    assert.ok(error.message.includes(path), error.message);
  });
}

const isRoot = process.getuid?.() === 0;
// Permissions do not restrict root, but these folders are read-only for root too.
const READ_ONLY = process.platform === 'linux' ? '/proc' : undefined;
const skip = isRoot && !READ_ONLY ? 'the superuser may write in every folder' : false;

test('a folder that cannot be written in is a store error with the path', {
  ...POSIX,
  ...(skip && { skip }),
}, async () => {
  const own = join(fresh(), '..');
  await mkdir(own, { mode: 0o500 });
  const path = join(isRoot && READ_ONLY ? READ_ONLY : own, 'credentials.json');
  await using session = await open(path);
  const error = await failure(() => answers(session, fixture.mcpUrl));
  assert.equal(error.code, 'store');
  assert.ok(error.message.includes(path), error.message);
});

test('a FileStore is not made of what is no path', LIMIT, async () => {
  const paths = [undefined, null, '', 5, {}, [], Buffer.from('x'), new URL('file:///x'), Symbol('x'), new String('x')];
  for (const path of paths) {
    const error = await failure(() => new FileStore(path as never), String(path));
    assert.equal(error.code, 'config');
    assert.match(error.message, /path of a FileStore must be a string/);
  }
  assert.equal(new FileStore('/nowhere/file').place, '/nowhere/file');
});
