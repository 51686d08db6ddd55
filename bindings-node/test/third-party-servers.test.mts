/** Nine situations with third-party servers. Checks docs/servers.md against the results. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { checkTable, Other } from './support/other.mjs';
import { situations } from './support/situations.mjs';

const BOUNDED = { timeout: 180_000 };

for (const name of [
  'oidc-provider',
  'python-sdk-2',
  'python-sdk-2-separate',
  'python-sdk-1',
  'python-sdk-1-separate',
  'fastmcp-in-memory',
  'fastmcp-proxy',
  'typescript-sdk',
  'better-auth',
  'workers-oauth-provider',
]) {
  test(`all situations at ${name}`, BOUNDED, async (context) => {
    await using other = await Other.start(name);
    if (!other) return context.skip('it cannot be had on this machine, as said above');
    const outcomes = await situations(other);
    assert.ok(checkTable(name, other.about.version, outcomes), 'docs/servers.md says something else');
  });
}
