/** Runs the Node examples as a user does, against the fixture's servers. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { Fixture, ROOT } from './support/fixture.mjs';

const LIMIT = { timeout: 60_000 };
/** Inside the package, where its own name and the SDK's can be resolved. */
const BUILD = `${ROOT}bindings-node/build`;
let folder: string;
let fixture: Fixture;

before(async () => {
  await mkdir(BUILD, { recursive: true });
  folder = await mkdtemp(join(BUILD, 'examples-'));
  fixture = await Fixture.start();
  // A browser whose user agrees to everything.
  const visit = 'fetch(process.argv[1]).then((page) => process.exit(page.ok ? 0 : 1))';
  await writeFile(join(folder, 'browser'), `#!/bin/sh\nexec '${process.execPath}' -e '${visit}' "$1"\n`);
  await chmod(join(folder, 'browser'), 0o755);
});

after(async () => {
  await fixture?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function start(name: string, args: string[], more: Record<string, string> = {}): Promise<ChildProcess> {
  const program = join(folder, `${name}.mjs`);
  await copyFile(`${ROOT}examples/${name}/main.mjs`, program);
  const env = { ...process.env, BROWSER: join(folder, 'browser'), ...more };
  return spawn(process.execPath, [program, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function output(name: string, args: string[], more?: Record<string, string>): Promise<string> {
  const program = await start(name, args, more);
  let [said, complained] = ['', ''];
  program.stdout?.on('data', (data) => {
    said += data;
  });
  program.stderr?.on('data', (data) => {
    complained += data;
  });
  const [code] = await once(program, 'close');
  assert.equal(code, 0, complained);
  return said;
}

const signIns = async () => (await fixture.counters()).token_code;

test('terminal signs in once', LIMIT, async () => {
  const before = await signIns();
  for (let i = 0; i < 2; i++) assert.match(await output('terminal', [fixture.mcpUrl]), /^echo$/m);
  assert.equal((await signIns()) - before, 1);
});

test('transport signs in', LIMIT, async () => {
  assert.match(await output('transport', [fixture.mcpUrl]), /^echo$/m);
});

test('store keeps a sign-in, and to what sessions rely on', LIMIT, async () => {
  const before = await signIns();
  for (let i = 0; i < 2; i++) {
    assert.equal(await output('store', [fixture.mcpUrl, 'records']), 'signed in: true\n');
  }
  assert.equal((await signIns()) - before, 1);
  assert.equal(await output('store', ['--check', 'checked']), '');
});

test('machine signs in as itself', LIMIT, async () => {
  const client = {
    client_id: 'nightly',
    client_secret: 'the-secret-of-the-night',
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
  };
  await using fixture = await Fixture.start({ client_credentials: true, registration: { clients: [client] } });
  const secrets = { CLIENT_ID: client.client_id, CLIENT_SECRET: client.client_secret, ISSUER: fixture.issuer };
  assert.match(await output('machine', [fixture.mcpUrl], secrets), /^echo$/m);
});

test('web sends each user to sign in once', LIMIT, async () => {
  const web = await start('web', [fixture.mcpUrl, '0']);
  try {
    const lines = createInterface({ input: web.stdout as NodeJS.ReadableStream });
    const [address] = (await once(lines, 'line')) as [string];
    for (let user = 1; user <= 2; user++) {
      const before = await signIns();
      const cookies = { user: '' };
      for (let i = 0; i < 2; i++) assert.match(await browse(address, cookies), /^echo$/m);
      assert.equal((await signIns()) - before, 1);
    }
  } finally {
    web.kill();
  }
});

/** Requests an address and follows redirects, with the application's cookie. */
async function browse(address: string, cookies: { user: string }): Promise<string> {
  let url = new URL(address);
  for (;;) {
    const headers: Record<string, string> = cookies.user ? { cookie: cookies.user } : {};
    const page = await fetch(url, { redirect: 'manual', headers });
    cookies.user = page.headers.get('set-cookie')?.split(';')[0] ?? cookies.user;
    const location = page.headers.get('location');
    if (location === null) {
      assert.equal(page.status, 200, await page.clone().text());
      return page.text();
    }
    url = new URL(location, url);
  }
}
