/**
 * Makes the package load a native part built with the feature `testing`. Import this module before all others, for its
 * side effect, so that it is not removed.
 */

import { createRequire } from 'node:module';

import { ROOT } from './fixture.mjs';

const path = `${ROOT}bindings-node/build/testing.node`;
process.env.NAPI_RS_NATIVE_LIBRARY_PATH = path;

/** The additional functions of that build. */
export const testing = createRequire(import.meta.url)(path) as {
  /** The result of a shared vector, as JSON. */
  vector(file: string, input: string): string;
  /** Advances the clock of all sessions. */
  advanceClock(seconds: number): void;
};
