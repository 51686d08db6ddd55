/** The same for `import`. */

export type * from './testing.js';
export { checkStore } from './testing.js';
