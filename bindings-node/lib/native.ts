/** The native part, in Rust: `src/`. */

import native = require('../native.js');

export { native };
