/**
 * Prints what the package costs and saves, in one table: `node build/test/bench/main.mjs`. Run it on an idle machine.
 * With `--trial`, it runs each benchmark once to check that it works; the figures then mean nothing.
 */

import { idle } from './idle.mjs';
import { overhead } from './overhead.mjs';
import { recoveries } from './recoveries.mjs';

const trial = process.argv.includes('--trial');
console.log(await overhead(trial ? { rounds: 1, calls: 1 } : { rounds: 41, calls: 200 }));
console.log(await idle(trial));
console.log(await recoveries());
