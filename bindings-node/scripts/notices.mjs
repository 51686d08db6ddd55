/** Collects the licences of the third-party code in a native file. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const IS_LICENSE = /^(licen[cs]e|copying|copyright|notice|unlicense)/i;

/**
 * Returns the licence text to ship with the native file for a Rust target, as most licences require.
 *
 * @param {string} root of the workspace
 * @param {string} crate the name of the native crate
 * @param {string} target the Rust target triple
 * @returns {string}
 */
export function notices(root, crate, target) {
  const crates = linked(root, crate, target);
  // Many crates share the same text.
  const texts = new Map();
  for (const { name, version, manifest_path } of crates) {
    for (const text of licensesIn(dirname(manifest_path))) {
      texts.set(text, [...(texts.get(text) ?? []), `${name} ${version}`]);
    }
  }
  const list = crates.map(
    ({ name, version, license, repository }) =>
      `- ${name} ${version}: ${license ?? 'see its text'}${repository ? `, ${repository}` : ''}`,
  );
  const sections = [...texts].map(([text, of]) => `${'-'.repeat(80)}\n${of.join(', ')}\n\n${text}\n`);
  const head = `The native file for ${target} contains Rust's standard library (MIT OR Apache-2.0) and these crates:`;
  return `${head}\n\n${list.join('\n')}\n\n${sections.join('\n')}`;
}

/** The third-party crates that a build of `crate` links, by name. */
function linked(root, crate, target) {
  const cargo = (...words) => execFileSync('cargo', words, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  const { packages, workspace_members } = JSON.parse(
    cargo('metadata', '--format-version', '1', '--locked', '--filter-platform', target),
  );
  // `cargo tree` gets the features right; `cargo metadata` joins those of the whole workspace.
  const edges = ['--edges', 'normal,no-proc-macro', '--prefix', 'none', '--target', target];
  const tree = cargo('tree', '--locked', '--package', crate, ...edges);
  const found = new Set(tree.split('\n').map((line) => line.split(' ', 2).join(' ')));
  const isLinked = ({ name, version }) => found.has(`${name} v${version}`);
  const theirs = packages.filter((one) => isLinked(one) && !workspace_members.includes(one.id));
  return theirs.sort((a, b) => a.name.localeCompare(b.name) || a.version.localeCompare(b.version));
}

function licensesIn(folder) {
  const files = readdirSync(folder, { withFileTypes: true });
  const names = files.filter((file) => file.isFile() && IS_LICENSE.test(file.name)).map(({ name }) => name);
  return names.sort().map((name) => readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n').trim());
}
