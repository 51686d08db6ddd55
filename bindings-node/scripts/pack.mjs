/**
 * Packs the packages to publish into `build/packages/`: the main package, and one for each native file.
 *
 *     node scripts/pack.mjs [--all]
 *
 * With `--all`, as for a release, the native files of all platforms must exist.
 */

import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

import { notices } from './notices.mjs';

const FOLDER = dirname(import.meta.dirname);
const ROOT = dirname(FOLDER);
const OUTPUT = join(FOLDER, 'build', 'packages');
/** The name of the native crate. */
const CRATE = 'mcp-reauth-node';
const LICENSES = ['LICENSE-APACHE', 'LICENSE-MIT'];
/** The licences of the code in the native file. */
const NOTICES = 'THIRD-PARTY-NOTICES.txt';

const {
  private: _,
  devDependencies,
  scripts,
  napi,
  ...published
} = JSON.parse(readFileSync(join(FOLDER, 'package.json'), 'utf8'));
const { version } = published;
const ownFiles = published.files.filter((file) => !LICENSES.includes(file));
const platforms = napi.targets.map(platformOf);

/** Converts a Rust target to npm's names and the name in `native.js`. */
function platformOf(target) {
  const [architecture, , system, abi] = target.split('-');
  const cpu = { x86_64: 'x64', aarch64: 'arm64' }[architecture];
  const os = { linux: 'linux', darwin: 'darwin', windows: 'win32' }[system];
  if (!cpu || !os) throw new Error(`napi.targets has ${target}, which scripts/pack.mjs has no words for`);
  const id = [os, cpu, abi].filter(Boolean).join('-');
  return {
    id,
    os,
    cpu,
    libc: { gnu: 'glibc', musl: 'musl' }[abi],
    packageName: `${napi.packageName}-${id}`,
    file: `${napi.binaryName}.${id}.node`,
    target,
  };
}

/** A missing file, and what to do about it. */
class Missing extends Error {}

function requireFile(name, next) {
  if (!existsSync(join(FOLDER, name))) throw new Missing(`${name} is missing. ${next}`);
}

/** Creates the folder of a package. */
function stage(name, manifest) {
  const folder = join(OUTPUT, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const license of LICENSES) copyFileSync(join(ROOT, license), join(folder, license));
  return folder;
}

function stageMain() {
  const optionalDependencies = Object.fromEntries(platforms.map(({ packageName }) => [packageName, version]));
  const folder = stage(published.name, { ...published, optionalDependencies });
  for (const file of ownFiles) cpSync(join(FOLDER, file), join(folder, file), { recursive: true });
  return folder;
}

function stagePlatform({ id, os, cpu, libc, packageName, file, target }) {
  const folder = stage(id, {
    name: packageName,
    version,
    description: `The native part of ${published.name} for ${id}`,
    license: published.license,
    engines: published.engines,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    main: file,
    files: [file, NOTICES, ...LICENSES],
    publishConfig: { access: 'public' },
  });
  copyFileSync(join(FOLDER, file), join(folder, file));
  writeFileSync(join(folder, NOTICES), notices(ROOT, CRATE, target));
  console.log(`${file}: ${strip(os, join(folder, file))}`);
  return folder;
}

/** Strips symbols from a native file, and returns what was done. */
function strip(os, path) {
  if (os === 'win32') return 'has its symbols elsewhere';
  // Only macOS's `strip` signs the file again, and macOS does not load unsigned files.
  if (os !== process.platform) return 'left as it is, since it is for another system';
  const before = statSync(path).size;
  try {
    execFileSync('strip', [os === 'darwin' ? '-x' : '--strip-unneeded', path], { stdio: 'pipe' });
  } catch (error) {
    const why = error.code === 'ENOENT' ? 'there is no strip' : String(error.stderr).trim();
    return `left as it is: ${why}`;
  }
  const after = statSync(path).size;
  return after < before ? `stripped, ${size(before)} to ${size(after)}` : 'was stripped already';
}

function pack(folder) {
  const options = ['--json', '--ignore-scripts', '--pack-destination', OUTPUT];
  const output = execFileSync('npm', ['pack', ...options], { cwd: folder, encoding: 'utf8' });
  const [{ filename, size: packed, unpackedSize, entryCount }] = JSON.parse(output);
  console.log(`${filename}: ${size(packed)} packed, ${size(unpackedSize)} unpacked, ${entryCount} files`);
}

const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

function main() {
  const { all } = parseArgs({ options: { all: { type: 'boolean', default: false } } }).values;
  const built = platforms.filter(({ file }) => existsSync(join(FOLDER, file)));
  const unbuilt = platforms.filter((platform) => !built.includes(platform)).map(({ id }) => id);
  if (built.length === 0) throw new Missing('There is no native file. Build it first: npm run build:native');
  if (all && unbuilt.length > 0)
    throw new Missing(`There is no native file for ${unbuilt.join(', ')}. Build them first.`);
  requireFile('dist/index.js', 'Compile it first: npm run build');
  for (const file of ownFiles) requireFile(file, 'Write it, or take it out of "files" in package.json.');
  rmSync(OUTPUT, { recursive: true, force: true });
  for (const folder of [...built.map(stagePlatform), stageMain()]) pack(folder);
  if (unbuilt.length > 0) console.log(`Not packed, for want of a native file: ${unbuilt.join(', ')}`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
