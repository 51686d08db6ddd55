/**
 * Has the package load a native part that was built with the feature `testing`. To be imported first of all, for its
 * effect, which keeps it there.
 */

import { createRequire } from 'node:module';

import { ROOT } from './fixture.mjs';

const path = `${ROOT}bindings-node/build/testing.node`;
process.env.NAPI_RS_NATIVE_LIBRARY_PATH = path;

/** What that build has besides. */
export const testing = createRequire(import.meta.url)(path) as {
  /** What a shared vector comes to, in JSON. */
  vector(file: string, input: string): string;
  /** Puts the clock of all sessions forward. */
  advanceClock(seconds: number): void;
};
