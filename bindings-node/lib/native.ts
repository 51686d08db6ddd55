/** The native part, in Rust: `src/`. */

import type nativePart = require('../native.js');

function load(): typeof nativePart {
  try {
    return require('../native.js');
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    throw new Error(
      `mcp-reauth has no native part for ${platform} here. It comes with the optional dependency @mcp-reauth/node-${platform}..., which npm leaves out with --omit=optional, or when node_modules was made on another platform: install again. Where there is none for ${platform}, build it from source.`,
      { cause },
    );
  }
}

export const native = load();

/** Its classes, as types. */
export namespace native {
  export type Authorization = nativePart.Authorization;
  export type Cancel = nativePart.Cancel;
  export type IdleStream = nativePart.IdleStream;
  export type Request = nativePart.Request;
  export type Session = nativePart.Session;
  export type Store = nativePart.Store;
}
