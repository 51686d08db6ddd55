/** Loads the native part, written in Rust (`src/`). */

import { createRequire } from 'node:module';

import type nativePart = require('../native.js');

function load(): typeof nativePart {
  try {
    // A literal `require`, so that bundlers find it.
    return require('../native.js');
  } catch (cause) {
    const again = requireAnew();
    if (again) return again;
    throw new Error(whyNot(cause), { cause });
  }
}

/** Loads it with Node's own `require`: a tool that replaces `require` may not support native files. */
function requireAnew(): typeof nativePart | undefined {
  try {
    return createRequire(__filename)('../native.js');
  } catch {
    return undefined;
  }
}

/** The platform's name as used in the names of the native packages. */
function platformId(): string {
  const { platform, arch } = process;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  if (platform !== 'linux') return `${platform}-${arch}`;
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return `linux-${arch}-${header?.glibcVersionRuntime ? 'gnu' : 'musl'}`;
}

/** Explains why it cannot be loaded, and what to do. */
function whyNot(cause: unknown): string {
  const id = platformId();
  const name = `@mcp-reauth/node-${id}`;
  if (isInstalled(name)) {
    return `mcp-reauth cannot load its native part for ${id} here. ${name} is installed, and loading it failed: ${innermost(cause)}. Install mcp-reauth and ${name} again, in the same version, and for this system.`;
  }
  if (id.endsWith('-musl')) {
    return `mcp-reauth has no build for ${id} (musl, as on Alpine) yet. Use a system with glibc, such as the image node:slim, or build it from source there.`;
  }
  return `mcp-reauth has no native part for ${id} here. It is in the package ${name}, which is not installed. Install both in one command: npm install mcp-reauth, without --omit=optional and on this platform; from tarballs: npm install ./mcp-reauth-*.tgz, which takes both files. Is this a bundle? Keep mcp-reauth external to it. Where there is no package for ${id}, build it from source.`;
}

function isInstalled(name: string): boolean {
  try {
    createRequire(__filename).resolve(`${name}/package.json`);
    return true;
  } catch {
    return false;
  }
}

/** The message of the innermost error. */
function innermost(error: unknown): string {
  let words = 'for an unknown reason';
  for (let at = error, depth = 0; at instanceof Error && depth < 32; at = at.cause, depth++) {
    // Messages about other file locations that were tried do not help.
    if (!/^Cannot find (module|native binding)/.test(at.message)) words = at.message;
  }
  return words;
}

export const native = load();

/** The native classes as types. */
export namespace native {
  export type Authorization = nativePart.Authorization;
  export type Cancel = nativePart.Cancel;
  export type EventWatch = nativePart.EventWatch;
  export type Exchange = nativePart.Exchange;
  export type Leases = nativePart.Leases;
  export type Part = nativePart.Part;
  export type Request = nativePart.Request;
  export type Session = nativePart.Session;
  export type Store = nativePart.Store;
}
