/** All code in README.md compiles, and does what the text says. */

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { type Certificates, certificates } from './support/certificates.mjs';
import { Fixture, ROOT } from './support/fixture.mjs';
import { freePort } from './support/ports.mjs';
import { Secured } from './support/secured.mjs';

const run = promisify(execFile);
const PACKAGE = `${ROOT}bindings-node`;
/** Inside the package, where its own name and the SDK's can be resolved. */
const FOLDER = join(PACKAGE, 'build', 'readme');
const LIMIT = { timeout: 30_000 };

/** The code under each heading. */
const snippets = new Map<string, string>();
let fixture: Fixture;
let port: number;
/** Servers that require a client certificate, if this machine can create one. */
let made: Certificates | undefined;
let secured: Secured | undefined;

const nameOf = (heading: string) => heading.toLowerCase().replaceAll(' ', '-');

before(async () => {
  fixture = await Fixture.start();
  port = await freePort();
  let heading = '';
  const readme = await readFile(join(PACKAGE, 'README.md'), 'utf8');
  for (const [, title, code] of readme.matchAll(/^## ([^\n]*)$|^```ts\n(.*?)^```$/gms)) {
    if (title) heading = title;
    else if (code) {
      assert.equal(snippets.has(heading), false, `two pieces of code under "${heading}"`);
      snippets.set(heading, code);
    }
  }
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  made = await certificates(FOLDER);
  // The user's browser has no certificate.
  secured =
    made && (await Secured.start({ ...made.server, ca: made.ca, requestCert: true, rejectUnauthorized: false }));
  for (const [heading, code] of snippets) {
    const server = heading === 'Networks' ? secured : fixture;
    const placed = code
      .replaceAll('https://mcp.example.com/mcp', server?.mcpUrl ?? '')
      .replaceAll('3000', String(port));
    await writeFile(join(FOLDER, `${nameOf(heading)}.mts`), placed);
  }
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { rootDir: '.', outDir: 'js', skipLibCheck: true },
    include: ['*.mts'],
  };
  await writeFile(join(FOLDER, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(PACKAGE, 'node_modules', '.bin', 'tsc');
  await run(tsc, ['-p', FOLDER]).catch(({ stdout }) => assert.fail(stdout));

  // A browser whose user agrees to everything.
  const visit = 'fetch(process.argv[1]).then((page) => process.exit(page.ok ? 0 : 1))';
  await writeFile(join(FOLDER, 'browser'), `#!/bin/sh\nexec '${process.execPath}' -e '${visit}' "$1"\n`);
  await chmod(join(FOLDER, 'browser'), 0o755);
});

after(async () => {
  await fixture?.[Symbol.asyncDispose]();
  await secured?.[Symbol.asyncDispose]();
  await rm(FOLDER, { recursive: true, force: true });
});

function start(heading: string, more: Record<string, string> = {}): ChildProcess {
  const program = join(FOLDER, 'js', `${nameOf(heading)}.mjs`);
  const env = {
    ...process.env,
    HOME: FOLDER,
    BROWSER: join(FOLDER, 'browser'),
    NODE_EXTRA_CA_CERTS: made?.file ?? '',
    ...more,
  };
  return spawn(process.execPath, [program], { env, cwd: FOLDER, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Runs the code under a heading, and returns what it printed. */
async function output(heading: string, env?: Record<string, string>): Promise<string> {
  const child = start(heading, env);
  let [printed, said] = ['', ''];
  child.stdout?.on('data', (text) => {
    printed += text;
  });
  child.stderr?.on('data', (text) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 0, said);
  return printed;
}

const covered = new Set<string>();

function piece(heading: string, check: (context: TestContext) => Promise<void>): void {
  covered.add(heading);
  test(heading, LIMIT, check);
}

piece('A client in fifteen lines', async () => {
  const code = snippets.get('A client in fifteen lines')?.trim().split('\n') ?? [];
  assert.ok(code.length <= 15, `${code.length} lines`);
  assert.match(await output('A client in fifteen lines'), /text: 'hello'/);
  await fixture.resetCounters();
  assert.match(await output('A client in fifteen lines'), /text: 'hello'/);
  assert.equal((await fixture.counters()).authorize_visits, 0, 'the second time nobody signs in');
});

piece('At a terminal', async () => {
  assert.match(await output('At a terminal'), /^satisfied$/m);
});

piece('On the web', async () => {
  const server = start('On the web');
  let said = '';
  server.stderr?.on('data', (text) => {
    said += text;
  });
  try {
    const page = await eventually(() => fetch(`http://localhost:${port}/`));
    const text = await page.text();
    assert.ok(page.redirected, said);
    assert.match(text, /"text":"hello"/, said);
    assert.equal(new URL(page.url).pathname, '/');
    const stray = await fetch(`http://localhost:${port}/oauth/callback?code=x&state=y`);
    assert.equal(stray.status, 502);
    assert.match(await stray.text(), /sign-in is unknown/);
  } finally {
    server.kill();
    await once(server, 'close');
  }
});

/** Retries until it succeeds: a new server needs time to start. */
async function eventually<T>(what: () => Promise<T>): Promise<T> {
  for (const start = performance.now(); ; ) {
    try {
      return await what();
    } catch (error) {
      if (performance.now() - start > 10_000) throw error;
      await new Promise(setImmediate);
    }
  }
}

piece('More', async () => {
  assert.equal(await output('More', { CLIENT_SECRET: 'secret' }), '');
});

piece('A store of your own', async () => {
  assert.match(await output('A store of your own'), /'mcp:read'/);
});

piece('Networks', async (context) => {
  if (!secured) return context.skip('openssl is not on this machine, or cannot make certificates');
  assert.equal(await output('Networks'), 'satisfied\n');
  const { called, authorized } = secured;
  assert.ok(authorized.length >= 4, String(authorized.length));
  for (const { path, certified } of [...called, ...authorized]) assert.ok(certified, path);
});

piece('What happens meanwhile', async () => {
  assert.equal(await output('What happens meanwhile'), 'authorization_started\nauthorized\n');
});

piece('Errors', async () => {
  const [code, sentence, ...rest] = (await output('Errors')).split('\n');
  assert.equal(code, 'interaction_required');
  assert.match(sentence ?? '', /^Sign in to http/);
  assert.match(rest.join('\n'), /mcp:read.*oauth-protected-resource/s);
});

piece('A transport of your own', async () => {
  assert.equal(await output('A transport of your own'), '200\n');
});

test('every piece of code is run', () => {
  assert.deepEqual([...snippets.keys()].sort(), [...covered].sort());
});

test('every error code is told of', async () => {
  const readme = await readFile(join(PACKAGE, 'README.md'), 'utf8');
  const source = await readFile(fileURLToPath(new URL('../../lib/error.ts', import.meta.url)), 'utf8');
  const union = /type ErrorCode =(.*?);/s.exec(source)?.[1] ?? '';
  const codes = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code);
  assert.ok(codes.length > 20);
  for (const code of codes) assert.ok(readme.includes(`\`${code}\``), code);
});
