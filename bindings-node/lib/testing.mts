/** The entry point for `import`. */

export type * from './testing.js';
export { checkStore } from './testing.js';
