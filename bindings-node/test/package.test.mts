import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { ROOT } from './support/fixture.mjs';

const FOLDER = join(ROOT, 'bindings-node');
const MODULES = join(FOLDER, 'node_modules');
const PACKAGES = join(FOLDER, 'build', 'packages');

/** The platforms that have a native package. */
const PLATFORMS = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
];

const { platform, arch } = process;
const HERE = [platform, arch, { linux: libc() === 'glibc' ? 'gnu' : libc(), win32: 'msvc' }[platform as string]]
  .filter(Boolean)
  .join('-');
const NATIVE_PACKAGE = `@mcp-reauth/node-${HERE}`;
const NATIVE_FILE = `mcp-reauth.${HERE}.node`;
const LICENSES = ['LICENSE-APACHE', 'LICENSE-MIT'];
const NOTICES = 'THIRD-PARTY-NOTICES.txt';

function libc(): string | undefined {
  if (platform !== 'linux') return undefined;
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ? 'glibc' : 'musl';
}

interface Manifest {
  [field: string]: unknown;
  version: string;
}

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program and returns its output and exit code. */
function run(program: string, args: string[], cwd: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/** Runs a program that must succeed, and returns its output. */
async function succeeds(program: string, args: string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, cwd);
  assert.equal(code, 0, `${program} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

const readJson = async <T,>(...path: string[]) => JSON.parse(await readFile(join(...path), 'utf8')) as T;

let work: string;
let packed: string;
/** A project with both packages installed. */
let project: string;
let main: Manifest;
let native: Manifest;
let mainTarball: string;
let nativeTarball: string;

before(async () => {
  work = await mkdtemp(join(tmpdir(), 'package-'));
  packed = await succeeds(process.execPath, ['scripts/pack.mjs'], FOLDER);
  const { version } = await readJson<Manifest>(FOLDER, 'package.json');
  mainTarball = join(PACKAGES, `mcp-reauth-${version}.tgz`);
  nativeTarball = join(PACKAGES, `mcp-reauth-node-${HERE}-${version}.tgz`);
  project = await install('project', mainTarball, nativeTarball);
  main = await readJson(project, 'node_modules', 'mcp-reauth', 'package.json');
  native = await readJson(project, 'node_modules', NATIVE_PACKAGE, 'package.json');
});

after(() => rm(work, { recursive: true, force: true }));

/**
 * Installs tarballs in a new project, from an empty cache and without a network. npm skips optional dependencies that
 * it cannot fetch, so the packages of other platforms need not be published for this.
 */
async function install(name: string, ...tarballs: string[]): Promise<string> {
  const folder = join(work, name);
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true }));
  const options = ['--offline', '--cache', join(work, 'cache'), '--no-audit', '--no-fund'];
  await succeeds('npm', ['install', ...options, ...tarballs], folder);
  return folder;
}

async function filesOf(tarball: string): Promise<string[]> {
  const list = await succeeds('tar', ['-tzf', tarball], work);
  return list
    .trim()
    .split('\n')
    .map((path) => path.replace(/^package\//, ''))
    .sort();
}

test('each tarball is told of with its sizes', () => {
  for (const name of [`mcp-reauth-${main.version}.tgz`, `mcp-reauth-node-${HERE}-${main.version}.tgz`]) {
    assert.match(packed, new RegExp(`^${name}: [\\d.]+ .B packed, [\\d.]+ .B unpacked, \\d+ files$`, 'm'));
  }
});

test('the main package depends on a package for every platform, by the name it loads it by', async () => {
  const names = PLATFORMS.map((id) => `@mcp-reauth/node-${id}`);
  assert.deepEqual(main.optionalDependencies, Object.fromEntries(names.map((name) => [name, main.version])));
  assert.equal(main.dependencies, undefined);
  const loader = await readFile(join(project, 'node_modules', 'mcp-reauth', 'native.js'), 'utf8');
  for (const name of names) assert.ok(loader.includes(`require('${name}')`), name);
});

test('all versions are the same', async () => {
  const loader = await readFile(join(project, 'node_modules', 'mcp-reauth', 'native.js'), 'utf8');
  const expected = [...loader.matchAll(/ingPackageVersion !== '(.*?)'/g)].map(([, version]) => version);
  const cargo = await readFile(join(ROOT, 'Cargo.toml'), 'utf8');
  const [, workspace] = /^\[workspace\.package\]\nversion = "(.*)"$/m.exec(cargo) ?? [];
  assert.deepEqual([...new Set([native.version, workspace, ...expected])], [main.version]);
});

test('the platform package is for its platform alone', () => {
  assert.equal(native.name, NATIVE_PACKAGE);
  assert.deepEqual(native.os, [platform]);
  assert.deepEqual(native.cpu, [arch]);
  assert.deepEqual(native.libc, libc() && [libc()]);
  assert.equal(native.main, NATIVE_FILE);
  assert.equal(native.license, main.license);
  assert.deepEqual(native.engines, main.engines);
});

test('nothing runs at installation, and nothing of the build is left', () => {
  for (const manifest of [main, native]) {
    for (const field of ['scripts', 'gypfile', 'bin', 'devDependencies', 'napi', 'private']) {
      assert.ok(!(field in manifest), `${manifest.name} has ${field}`);
    }
  }
});

test('the tarballs hold what was compiled, and nothing else', async () => {
  const compiled = (await readdir(join(FOLDER, 'lib'))).flatMap((source) => {
    const [, name, kind] = /^([\w-]+)\.(m?)ts$/.exec(source) ?? assert.fail(source);
    return [`dist/${name}.${kind}js`, `dist/${name}.d.${kind}ts`];
  });
  const common = ['package.json', ...LICENSES];
  const own = ['README.md', 'native.js', 'native.d.ts', ...compiled];
  assert.deepEqual(await filesOf(mainTarball), [...common, ...own].sort());
  assert.deepEqual(await filesOf(nativeTarball), [...common, NATIVE_FILE, NOTICES].sort());
});

test('the licences of what the native file contains come along', async () => {
  const notices = await readFile(join(project, 'node_modules', ...NATIVE_PACKAGE.split('/'), NOTICES), 'utf8');
  const crates = new Map([...notices.matchAll(/^- (\S+) \S+: (.+)$/gm)].map(([, name, license]) => [name, license]));
  assert.match(String(crates.get('rustls')), /^Apache-2.0 OR ISC OR MIT, https:/);
  assert.match(notices, /^-{80}\n.*\brustls \d.*\n\n.*(Apache License|ISC License|Permission is hereby granted)/m);
  // Neither build-time dependencies nor the project's own crates.
  for (const name of ['syn', 'napi-derive', 'mcp-reauth']) assert.ok(!crates.has(name), name);
  assert.doesNotMatch(notices, new RegExp(`${ROOT}|/registry/`));
});

test('import and require come to one copy with the same names', async () => {
  await writeFile(join(project, 'required.cjs'), REQUIRED);
  await writeFile(join(project, 'main.mjs'), IMPORTED);
  const found = JSON.parse(await succeeds(process.execPath, ['main.mjs'], project));
  assert.ok(found.required.includes('AuthSession') && found.required.includes('ReauthError'));
  assert.deepEqual(found.imported, found.required);
  assert.deepEqual(found.different, []);
  assert.deepEqual(found.instances, [true, true]);
  const [loaded, ...more] = found.native;
  assert.ok(loaded.endsWith(join(NATIVE_PACKAGE, NATIVE_FILE)), loaded);
  assert.deepEqual(more, []);
});

const REQUIRED = `
const required = require('mcp-reauth');
module.exports = { required, native: () => Object.keys(require.cache).filter((path) => path.endsWith('.node')) };
`;

const IMPORTED = `
import * as imported from 'mcp-reauth';
import both from './required.cjs';

const { native, required } = both;
const { AuthSession, ReauthError } = imported;
const session = await required.AuthSession.open({ serverUrl: 'https://mcp.example.com/mcp' });
const error = await required.AuthSession.open({}).catch((error) => error);
await session.close();
// Node adds to what a CommonJS module exports.
const names = Object.keys(imported).filter((name) => name !== '__esModule' && name !== 'module.exports');
console.log(JSON.stringify({
  imported: names.sort(),
  required: Object.keys(required).sort(),
  different: names.filter((name) => imported[name] !== required[name]),
  instances: [session instanceof AuthSession, error instanceof ReauthError],
  native: native(),
}));
`;

test('programs in TypeScript compile, as modules of both kinds, with the types of browsers and without', async () => {
  // Links the SDKs and their dependencies from this package.
  for (const scope of ['@types', '@modelcontextprotocol']) {
    await symlink(join(MODULES, scope), join(project, 'node_modules', scope), 'junction');
  }
  const consumers = ['consumer', 'consumer-of-sdk-1'];
  for (const name of consumers) {
    const source = join(FOLDER, 'test', 'package', `${name}.mts`);
    for (const kind of ['mts', 'cts']) await copyFile(source, join(project, `${name}.${kind}`));
  }
  const compile = (names: string[], lib: string) => {
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--skipLibCheck', 'false', '--types', 'node'];
    const files = names.flatMap((name) => [`${name}.mts`, `${name}.cts`]);
    return succeeds(process.execPath, [join(MODULES, '.bin', 'tsc'), ...options, '--lib', lib, ...files], project);
  };
  await compile(['consumer'], 'es2022');
  // The SDK's 1.x uses types of browsers.
  await compile(consumers, 'es2022,dom,dom.iterable');
});

test('tools that look at how types resolve find no problem', async () => {
  await succeeds(process.execPath, [join(MODULES, '.bin', 'attw'), '--no-definitely-typed', mainTarball], work);
});

const LOADING = [
  ['--eval', "require('mcp-reauth')"],
  ['--input-type=module', '--eval', "import 'mcp-reauth'"],
];

test('without its platform package it says what is missing, and how to install both', async () => {
  const folder = await install('alone', mainTarball);
  for (const args of LOADING) {
    const { code, stderr } = await run(process.execPath, args, folder);
    assert.equal(code, 1);
    const missing = `Error: mcp-reauth has no native part for ${HERE} here. It is in the package ${NATIVE_PACKAGE}, which is not`;
    assert.ok(stderr.includes(missing), stderr);
    assert.match(stderr, /^Error: .* Install both in one command: .*npm install \.\/mcp-reauth-\*\.tgz/m);
    assert.ok(stderr.includes(`Cannot find module '${NATIVE_PACKAGE}'`), stderr);
  }
});

test('where the system has musl it says that there is no build for that', async () => {
  if (platform !== 'linux') return;
  const folder = await install('on-musl', mainTarball);
  // What Node reports on musl.
  await writeFile(join(folder, 'musl.cjs'), 'process.report.getReport = () => ({ header: {} })');
  for (const args of LOADING) {
    const { code, stderr } = await run(process.execPath, ['--require', './musl.cjs', ...args], folder);
    assert.equal(code, 1);
    const missing = `Error: mcp-reauth has no build for linux-${arch}-musl (musl, as on Alpine) yet. Use a system with glibc`;
    assert.ok(stderr.includes(missing), stderr);
  }
});

test('with a native file that cannot be loaded it says why', async () => {
  const folder = await install('broken', mainTarball, nativeTarball);
  await writeFile(join(folder, 'node_modules', ...NATIVE_PACKAGE.split('/'), NATIVE_FILE), 'no native file');
  for (const args of LOADING) {
    const { code, stderr } = await run(process.execPath, args, folder);
    assert.equal(code, 1);
    const broken = `Error: mcp-reauth cannot load its native part for ${HERE} here. ${NATIVE_PACKAGE} is installed, and loading it failed: `;
    assert.ok(stderr.includes(broken), stderr);
    assert.match(stderr, new RegExp(`^Error: .*${NATIVE_FILE.replaceAll('.', '\\.')}.* Install mcp-reauth and`, 'm'));
  }
});

/** A program that loads the package and uses it, as ES module and CommonJS, in JavaScript and in TypeScript. */
const SERVER = 'https://mcp.example.com/mcp';
const AS_MODULE = `
import { AuthSession } from 'mcp-reauth'
const session = await AuthSession.open({ serverUrl: '${SERVER}' })
console.log(session.serverUrl)
await session.close()
`;
const AS_COMMONJS = `
const { AuthSession } = require('mcp-reauth')
AuthSession.open({ serverUrl: '${SERVER}' }).then((session) => {
  console.log(session.serverUrl)
  return session.close()
})
`;
const TYPED = `
import { AuthSession } from 'mcp-reauth'
AuthSession.open({ serverUrl: '${SERVER}' }).then((session: AuthSession) => {
  console.log(session.serverUrl)
  return session.close()
})
`;

/** A project with the installed package and programs. The tools that run them come from this package. */
async function programs(name: string): Promise<string> {
  const folder = await install(name, mainTarball, nativeTarball);
  const files = {
    'main.mjs': AS_MODULE,
    'main.cjs': AS_COMMONJS,
    'main.mts': AS_MODULE,
    'main.cts': TYPED,
    'main.ts': TYPED,
  };
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  return folder;
}

const tool = (name: string) => join(MODULES, '.bin', name);

test('programs run by Node and by tsx, as modules of both kinds', async () => {
  const folder = await programs('plain');
  for (const file of ['main.mjs', 'main.cjs']) {
    assert.equal((await succeeds(process.execPath, [file], folder)).trim(), SERVER, file);
  }
  for (const file of ['main.mts', 'main.cts', 'main.ts', 'main.mjs', 'main.cjs']) {
    assert.equal((await succeeds(process.execPath, [tool('tsx'), file], folder)).trim(), SERVER, `tsx ${file}`);
  }
});

/** The README's code blocks in a language. */
async function pieces(language: string): Promise<string[]> {
  const readme = await readFile(join(FOLDER, 'README.md'), 'utf8');
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text ?? '');
}

test('bundles that the README tells how to make run', async () => {
  const folder = await programs('bundled');
  const commands = (await pieces('sh'))
    .flatMap((piece) => piece.split('\n'))
    .filter((line) => line.startsWith('npx esbuild'));
  assert.equal(commands.length, 2);
  for (const command of commands) {
    const [, , ...args] = command.replace(/ +#.*/, '').split(' ');
    await succeeds(process.execPath, [tool('esbuild'), ...args], folder);
  }
  const [config = ''] = await pieces('js');
  await writeFile(join(folder, 'vite.config.mjs'), config);
  await succeeds(process.execPath, [tool('vite'), 'build', '--logLevel', 'warn'], folder);
  for (const file of ['out/main.mjs', 'out/main.cjs', 'dist/main.mjs']) {
    assert.equal((await succeeds(process.execPath, [file], folder)).trim(), SERVER, file);
  }
  await writeFile(join(folder, 'vite.config.mjs'), "export default { build: { ssr: 'main.mjs', outDir: 'usual' } }");
  await succeeds(process.execPath, [tool('vite'), 'build', '--logLevel', 'warn'], folder);
  assert.equal((await succeeds(process.execPath, ['usual/main.mjs'], folder)).trim(), SERVER);
});

test('the tarballs are where both READMEs say, for one command', async () => {
  const wanted = 'npm install path/to/bindings-node/build/packages/*.tgz';
  for (const readme of [join(ROOT, 'README.md'), join(FOLDER, 'README.md')]) {
    assert.ok((await readFile(readme, 'utf8')).includes(wanted), readme);
  }
  const tarballs = (await readdir(PACKAGES)).filter((file) => file.endsWith('.tgz'));
  const expected = [mainTarball, nativeTarball].map((path) => path.slice(PACKAGES.length + 1));
  assert.deepEqual(tarballs.sort(), expected.sort());
});

test('packing says what to do first', async () => {
  const folder = join(work, 'copy', 'bindings-node');
  for (const part of ['package.json', 'scripts']) await cp(join(FOLDER, part), join(folder, part), { recursive: true });
  const pack = async (...args: string[]) => {
    const { code, stderr } = await run(process.execPath, [join('scripts', 'pack.mjs'), ...args], folder);
    assert.equal(code, 1);
    return stderr.trim();
  };
  assert.equal(await pack(), 'error: There is no native file. Build it first: npm run build:native');
  await writeFile(join(folder, NATIVE_FILE), '');
  const others = PLATFORMS.filter((id) => id !== HERE).join(', ');
  assert.equal(await pack('--all'), `error: There is no native file for ${others}. Build them first.`);
  assert.equal(await pack(), 'error: dist/index.js is missing. Compile it first: npm run build');
});
