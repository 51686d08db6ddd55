/** The package's types accept every JSON form that core writes, and errors are serialized as core does. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import Ajv2020 from 'ajv/dist/2020.js';
import { type ErrorForm, ReauthError } from 'mcp-reauth';

import { ROOT } from './support/fixture.mjs';

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = join(PACKAGE, 'build', 'forms');

const { forms } = JSON.parse(await readFile(`${ROOT}tests/vectors/forms.json`, 'utf8')) as {
  forms: Record<string, unknown[]> & { error: ErrorForm[] };
};
const schema = JSON.parse(await readFile(`${ROOT}tests/vectors/forms.schema.json`, 'utf8')) as {
  $defs: Record<'Settings' | 'Policy', { properties: Record<string, unknown> }>;
};

/** The type of each form. The error of an outcome is a `ReauthError`. */
const TYPES: Record<string, string> = {
  authorizationRequest: 'AuthorizationRequest',
  challenge: 'AuthChallenge',
  connectionState: 'ConnectionState',
  error: 'ErrorForm',
  errorCode: 'ErrorCode',
  event: 'SessionEvent',
  identityProviderState: 'IdentityProviderState',
  outcome: "Exclude<Outcome, { kind: 'failed' }> | { kind: 'failed'; error: ErrorForm }",
  revocation: 'Revocation',
  settings: 'Partial<AuthSessionOptions>',
  stepUpRequest: 'StepUpRequest',
};

/** The compiler's output for a program. */
async function compiled(name: string, program: string): Promise<string> {
  const types = new Set(['Policy', 'Outcome', 'AuthSessionOptions', ...Object.values(TYPES)]);
  const names = [...types].filter((type) => /^\w+$/.test(type)).join(', ');
  const imports = `import type { ${names} } from 'mcp-reauth';\n`;
  await mkdir(FOLDER, { recursive: true });
  await writeFile(join(FOLDER, `${name}.mts`), imports + program);
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { rootDir: '.', noEmit: true, noUnusedLocals: false, skipLibCheck: true },
    include: [`${name}.mts`],
  };
  await writeFile(join(FOLDER, `${name}.json`), JSON.stringify(config));
  const tsc = join(PACKAGE, 'node_modules', '.bin', 'tsc');
  const { stdout } = await run(tsc, ['-p', join(FOLDER, `${name}.json`)]).catch((error) => error as { stdout: string });
  return stdout;
}

test('every form is one that the types take, and each has a type', async () => {
  assert.deepEqual(Object.keys(forms).sort(), Object.keys(TYPES).sort());
  const constants = Object.entries(forms).map(
    ([name, values]) => `export const ${name}: (${TYPES[name]})[] = ${JSON.stringify(values)};`,
  );
  assert.equal(await compiled('taken', constants.join('\n')), '');
});

test('the types know every code of an error, every event and every outcome, and no others', async () => {
  const kinds = (name: string) => (forms[name] as { kind: string }[]).map(({ kind }) => kind);
  const known = {
    ErrorCode: forms.errorCode,
    "SessionEvent['kind']": kinds('event'),
    "Outcome['kind']": kinds('outcome'),
  };
  const exact = Object.entries(known).map(([type, values], number) => {
    const union = (values as string[]).map((value) => `'${value}'`).join(' | ');
    return `export const none${number}: [Exclude<${type}, ${union}>] extends [never] ? true : ${type} = true;`;
  });
  assert.equal(await compiled('exact', exact.join('\n')), '');
});

test('the options have every setting', async () => {
  const named = { AuthSessionOptions: schema.$defs.Settings, Policy: schema.$defs.Policy };
  const known = Object.entries(named).map(([type, { properties }], number) => {
    const names = Object.keys(properties).map((name) => `'${name}'`);
    return `export const none${number}: [Exclude<${names.join(' | ')}, keyof ${type}>] extends [never] ? true : ${type} = true;`;
  });
  assert.equal(await compiled('settings', known.join('\n')), '');
});

test('what is written here is as the schema says', () => {
  const valid = new Ajv2020.default().compile(schema);
  for (const [name, values] of Object.entries(forms)) {
    for (const value of values) assert.ok(valid({ [name]: value }), `${name}: ${JSON.stringify(valid.errors)}`);
  }
  for (const { code, message, ...details } of forms.error) {
    const error: unknown = JSON.parse(JSON.stringify(new ReauthError(code, message, details)));
    assert.ok(valid({ error }), JSON.stringify(valid.errors));
  }
  assert.equal(valid({ error: { code: 'unknown', message: '', sentence: '' } }), false);
});

test('a type that misses a member of a form is found out', async () => {
  const program = `export const event: SessionEvent = { kind: 'renewed', issuer: 'x' };`;
  assert.match(await compiled('missing', program), /scopes/);
  const unknown = `export const code: ErrorCode = 'unknown';`;
  assert.match(await compiled('unknown', unknown), /unknown/);
});

test('an error is written in the form that it was read from', async () => {
  for (const form of forms.error) {
    const { code, message, ...details } = form;
    const error = new ReauthError(code, message, details);
    assert.deepEqual(JSON.parse(JSON.stringify(error)), form);
  }
  await rm(FOLDER, { recursive: true, force: true });
});
