/** Requests to the MCP server and authorization requests take the same route to the network. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { AuthSession } from 'mcp-reauth';

import type { Task, Told } from './programs/signing-in.mjs';
import { answers, within } from './support/adversary.mjs';
import { type Certificates, certificates, type Identity, NAMES } from './support/certificates.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person } from './support/person.mjs';
import { freePort } from './support/ports.mjs';
import { proxy, TINYPROXY_ADDRESS, tinyproxy } from './support/proxies.mjs';
import { Secured } from './support/secured.mjs';

const LIMIT = { timeout: 60_000 };
const PROGRAM = fileURLToPath(new URL('programs/signing-in.mjs', import.meta.url));
/** Whether this Node supports `NODE_USE_ENV_PROXY`. */
const HEEDS_PROXIES = process.allowedNodeEnvironmentFlags.has('--use-env-proxy');

const folder = await mkdtemp(join(tmpdir(), 'one-way-out-'));
after(() => rm(folder, { recursive: true, force: true }));
const made = await certificates(folder);

/** A test that needs certificates. */
function secured(name: string, check: (made: Certificates, context: TestContext) => Promise<void>): void {
  test(name, LIMIT, async (context) => {
    if (!made) return context.skip('openssl is not on this machine, or cannot make certificates');
    await check(made, context);
  });
}

/** Runs the program in a new process with only this environment. */
async function run(task: Task, env: Record<string, string> = {}): Promise<Told> {
  const { PATH = '', NAPI_RS_NATIVE_LIBRARY_PATH: native, NODE_OPTIONS: options } = process.env;
  const own = {
    PATH,
    ...(native && { NAPI_RS_NATIVE_LIBRARY_PATH: native }),
    ...(options && { NODE_OPTIONS: options }),
  };
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(task)], {
    env: { ...own, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.on('data', (text) => {
    printed += text;
  });
  try {
    await within(once(child, 'close'), 'the program', 30_000);
  } finally {
    child.kill('SIGKILL');
  }
  return JSON.parse(printed);
}

/** The session's options for a server. `public` uses the native client, so the servers are allowed by name. */
function options({ mcpUrl: serverUrl, origins: allowEndpoints }: Secured, egress: 'local' | 'public'): Task['options'] {
  return { serverUrl, allowEndpoints, egress };
}

/** Asserts that the whole flow took place: both kinds of requests, and nothing else. */
function wasSignedInTo({ called, authorized }: Secured): void {
  assert.equal(called.length, 2, 'the call, and the call again');
  const paths = authorized.map(({ path }) => path);
  for (const path of ['/.well-known/oauth-protected-resource/mcp', '/register', '/token'])
    assert.equal(paths.filter((one) => one === path).length, 1, `${path} among ${paths}`);
  for (const { userAgent, path } of authorized) assert.match(userAgent, /^mcp-reauth\/\d/, path);
}

for (const egress of ['local', 'public'] as const) {
  secured(`a private CA of NODE_EXTRA_CA_CERTS is good for both halves (${egress})`, async ({ file, server }) => {
    await using servers = await Secured.start(server);
    assert.deepEqual(await run({ options: options(servers, egress) }, { NODE_EXTRA_CA_CERTS: file }), {
      text: 'hello',
    });
    wasSignedInTo(servers);
  });

  const wrong: [string, (made: Certificates) => Identity, RegExp, RegExp][] = [
    [
      'by a private CA',
      ({ server }) => server,
      /UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET/,
      /not trusted \(.*NODE_EXTRA_CA_CERTS/,
    ],
    ['that has expired', ({ expired }) => expired, /CERT_HAS_EXPIRED/, /its certificate has expired/],
    [
      'for another name',
      ({ foreign }) => foreign,
      /ERR_TLS_CERT_ALTNAME_INVALID/,
      /its certificate is for another name/,
    ],
  ];
  for (const [kind, identity, code, words] of wrong) {
    secured(`a certificate ${kind} fails both halves, by an error that names it (${egress})`, async (made) => {
      await using servers = await Secured.start(identity(made));
      const isTrusted = kind !== 'by a private CA';
      const told = await run(
        { options: options(servers, egress) },
        isTrusted ? { NODE_EXTRA_CA_CERTS: made.file } : {},
      );
      assert.equal(told.failed?.name, 'TypeError', 'as fetch throws it');
      assert.match(told.failed?.causes.join() ?? '', code);
      assert.match(told.failed?.sentence ?? '', words);
      assert.equal(told.signIn?.code, 'http');
      assert.match(told.signIn?.message ?? '', egress === 'local' ? words : /certificate/);
      assert.deepEqual([...servers.called, ...servers.authorized], []);
    });
  }
}

for (const byOption of [false, true]) {
  const how = byOption ? 'the option fetch' : 'setGlobalDispatcher';
  secured(`a client certificate is shown by both halves, given by ${how}`, async ({ ca, server, client }) => {
    await using servers = await Secured.start({ ...server, ca, requestCert: true, rejectUnauthorized: true });
    const plain = options(servers, 'local');
    assert.deepEqual(await run({ options: plain, dispatcher: { ca, ...client }, byOption }), { text: 'hello' });
    wasSignedInTo(servers);
    const { failed, signIn } = await run({ options: plain, dispatcher: { ca }, byOption });
    assert.equal(failed?.name, 'TypeError');
    assert.equal(signIn?.code, 'http');
    assert.match(signIn?.message ?? '', /connection broke|client certificate/);
  });
}

/** Ways to use a proxy from the environment: the task, and additional variables. */
const BY_PROXY: [string, Partial<Task>, Record<string, string>, 'local' | 'public'][] = [
  ['by a dispatcher', { dispatcher: 'env-proxy' }, {}, 'local'],
  ['by NODE_USE_ENV_PROXY', {}, { NODE_USE_ENV_PROXY: '1' }, 'local'],
  ['by NODE_USE_ENV_PROXY, where egress is public', {}, { NODE_USE_ENV_PROXY: '1' }, 'public'],
];

/** Skips a test that needs a feature this Node lacks. */
function lacks(more: Record<string, string>, context: TestContext): boolean {
  const isMissing = more.NODE_USE_ENV_PROXY !== undefined && !HEEDS_PROXIES;
  if (isMissing) context.skip(`Node ${process.version} knows nothing of NODE_USE_ENV_PROXY`);
  return isMissing;
}

for (const [way, task, more, egress] of BY_PROXY) {
  secured(
    `both halves go through a proxy, which alone can find the servers (${way})`,
    async ({ file, server }, context) => {
      if (lacks(more, context)) return;
      await using servers = await Secured.start(server, NAMES[1]);
      await using between = await proxy();
      const env = { NODE_EXTRA_CA_CERTS: file, HTTPS_PROXY: between.url, ...more };
      assert.deepEqual(await run({ options: options(servers, egress), ...task }, env), { text: 'hello' });
      wasSignedInTo(servers);
      const through = new Set((await between.tunnels()).map((where) => `https://${where}`));
      assert.deepEqual([...through].sort(), [...servers.origins].sort());
    },
  );

  secured(`a proxy that refuses is told of (${way})`, async ({ file, server }, context) => {
    if (lacks(more, context)) return;
    await using servers = await Secured.start(server, NAMES[1]);
    await using between = await proxy(403);
    const env = { NODE_EXTRA_CA_CERTS: file, HTTPS_PROXY: between.url, ...more };
    const { failed, signIn } = await run({ options: options(servers, egress), ...task }, env);
    assert.equal(failed?.name, 'TypeError');
    assert.equal(signIn?.code, 'http');
    if (egress === 'local') assert.match(signIn?.message ?? '', /the proxy refused the connection \(HTTP status 403\)/);
  });
}

for (const [way, task, more, egress] of BY_PROXY) {
  // The native client uses no proxy for loopback addresses, the only ones that tinyproxy can reach here.
  if (egress === 'public') continue;
  secured(`both halves go through tinyproxy (${way})`, async ({ file, server }, context) => {
    if (lacks(more, context)) return;
    await using servers = await Secured.start(server);
    await using between = await tinyproxy(folder);
    if (!between) return context.skip('tinyproxy is not on this machine');
    const env = { NODE_EXTRA_CA_CERTS: file, HTTPS_PROXY: between.url, ...more };
    assert.deepEqual(await run({ options: options(servers, egress), ...task }, env), { text: 'hello' });
    wasSignedInTo(servers);
    const through = new Set((await between.tunnels()).map((where) => `https://${where}`));
    for (const origin of servers.origins) assert.ok(through.has(origin), `${origin} among ${[...through]}`);
    for (const { from, path } of [...servers.called, ...servers.authorized])
      assert.ok(from.endsWith(TINYPROXY_ADDRESS), `${path} came from ${from}`);
  });
}

for (const egress of ['local', 'public'] as const) {
  secured(`no half takes a proxy that Node does not take (${egress})`, async ({ file, server }) => {
    await using servers = await Secured.start(server);
    await using between = await proxy();
    const env = { NODE_EXTRA_CA_CERTS: file, HTTPS_PROXY: between.url };
    assert.deepEqual(await run({ options: options(servers, egress) }, env), { text: 'hello' });
    assert.deepEqual(await between.tunnels(), []);
  });
}

secured('a name that nothing finds is told of', async () => {
  const serverUrl = `https://${NAMES[1]}/mcp`;
  const { signIn } = await run({ options: { serverUrl } });
  assert.match(signIn?.message ?? '', /its name could not be (found|looked up)/);
});

const urlOf = (input: Parameters<typeof fetch>[0]) => String(input instanceof Request ? input.url : input);

/** Runs `work` with another global `fetch`. */
async function replacing(other: typeof fetch, work: () => Promise<void>): Promise<void> {
  const { fetch: original } = globalThis;
  globalThis.fetch = other;
  try {
    await work();
  } finally {
    globalThis.fetch = original;
  }
}

test('a global fetch that is replaced after a session was opened sees both halves', LIMIT, async () => {
  await using fixture = await Fixture.start();
  await using session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person() });
  const { fetch: original } = globalThis;
  const sent: string[] = [];
  await replacing(
    (input, init) => {
      sent.push(urlOf(input));
      return original(input, init);
    },
    () => answers(session, fixture.mcpUrl),
  );
  for (const part of ['/mcp', '/.well-known/oauth-protected-resource', '/register', '/authorize', '/token'])
    assert.ok(
      sent.some((url) => url.includes(part)),
      part,
    );
});

/** The platform's error for a refused connection. */
async function refusedAt(port: number): Promise<unknown> {
  return fetch(`http://127.0.0.1:${port}/`).then(
    () => assert.fail('a program listens there'),
    (error: unknown) => error,
  );
}

test('a code is presented again where it was certainly not sent, and else not', LIMIT, async () => {
  await using fixture = await Fixture.start();
  const { fetch: original } = globalThis;
  const unsent = await refusedAt(await freePort());
  const coded = (code: string, syscall?: string) => Object.assign(new Error(code), { code, syscall });
  const failed = (cause: unknown) => new TypeError('fetch failed', { cause });
  const both = (...errors: Error[]) => failed(new AggregateError(errors));
  const proxied = new Error('Proxy response (407) !== 200 when HTTP Tunneling');
  for (const [thrown, times] of [
    [unsent, 2],
    [coded('ECONNREFUSED', 'connect'), 2],
    [both(coded('ENETUNREACH', 'connect'), coded('ETIMEDOUT', 'connect')), 2],
    [failed(coded('ENOTFOUND', 'getaddrinfo')), 2],
    [failed(coded('UND_ERR_CONNECT_TIMEOUT')), 2],
    [failed(coded('CERT_HAS_EXPIRED')), 2],
    [failed(proxied), 2],
    // Open connections can fail with these codes too.
    [failed(coded('ETIMEDOUT', 'read')), 1],
    [failed(coded('EHOSTUNREACH', 'write')), 1],
    [failed(coded('ECONNRESET', 'read')), 1],
    [both(coded('ECONNREFUSED', 'connect'), coded('ECONNRESET', 'read')), 1],
    [both(), 1],
    [failed(coded('UND_ERR_SOCKET')), 1],
    [new Error('ECONNREFUSED'), 1],
  ] as const) {
    await using session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: new Person() });
    let presented = 0;
    await replacing(
      async (input, init) => {
        if (urlOf(input).endsWith('/token') && ++presented === 1) throw thrown;
        return original(input, init);
      },
      async () => {
        const outcome = await session.signIn();
        assert.equal(outcome.kind, times === 2 ? 'satisfied' : 'failed', String((thrown as Error).cause ?? thrown));
      },
    );
    assert.equal(presented, times);
  }
});

test('where egress is public nothing is sent elsewhere, not even to the server itself', LIMIT, async () => {
  await using fixture = await Fixture.start();
  const options = { serverUrl: fixture.mcpUrl, host: new Person(), egress: 'public' } as const;
  await using session = await AuthSession.open(options);
  await fixture.resetCounters();
  const outcome = await session.signIn();
  assert.equal(outcome.kind === 'failed' && outcome.error.code, 'blocked_endpoint');
  assert.equal(await fixture.clientRequests(), 0);
  const allowEndpoints = [new URL(fixture.mcpUrl).origin, new URL(fixture.issuer).origin];
  await using allowed = await AuthSession.open({ ...options, allowEndpoints });
  assert.equal((await allowed.signIn()).kind, 'satisfied');
});
