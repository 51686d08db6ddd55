/**
 * What the package costs, and what it saves, in one table: `node build/test/bench/main.mjs`. On a machine that rests.
 */

import { overhead } from './overhead.mjs';
import { recoveries } from './recoveries.mjs';

console.log(await overhead());
console.log(await recoveries());
