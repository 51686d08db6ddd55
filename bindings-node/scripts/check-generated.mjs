/** Fails if `npm run build:native` generated files that differ from the committed ones. */

import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';

const GENERATED = ['native.js', 'native.d.ts'];

const { status, error } = spawnSync('git', ['diff', '--exit-code', '--', ...GENERATED], {
  cwd: dirname(import.meta.dirname),
  stdio: 'inherit',
});
if (error) throw error;
if (status === 1) console.error(`error: ${GENERATED.join(' or ')} was out of date, and is not any more. Commit it.`);
process.exitCode = status ?? 1;
