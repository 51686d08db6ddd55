// Prints which servers could not be installed on this machine, and how many.

import { existsSync } from 'node:fs';

import { SERVERS } from './servers.mjs';

const all = Object.values(SERVERS);
const skipped = all.filter(({ command: [program] }) => !existsSync(program));
if (skipped.length > 0) {
  const titles = skipped.map(({ title }) => title).join('; ');
  console.error(`SKIPPED: ${skipped.length} of ${all.length} servers by others: ${titles}`);
}
