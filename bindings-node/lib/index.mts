/** The same for `import`. There is one copy of everything, whichever way it is loaded, so that `instanceof` holds. */
export * from './index.js';
