/**
 * What the package costs, and what it saves, in one table: `node build/test/bench/main.mjs`. On a machine that rests.
 * With `--trial`, everything is measured once, to see that it works; the figures then say nothing.
 */

import { idle } from './idle.mjs';
import { overhead } from './overhead.mjs';
import { recoveries } from './recoveries.mjs';

const trial = process.argv.includes('--trial');
console.log(await overhead(trial ? { rounds: 1, calls: 1 } : { rounds: 41, calls: 200 }));
console.log(await idle(trial));
console.log(await recoveries());
