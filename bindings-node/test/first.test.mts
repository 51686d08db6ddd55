import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AuthSession } from 'mcp-reauth';

import { SDKS, succeeds } from './support/clients.mjs';
import { Fixture } from './support/fixture.mjs';
import { Person } from './support/person.mjs';

for (const sdk of SDKS) {
  test(`signs in (${sdk.name})`, async () => {
    await using fixture = await Fixture.start();
    const person = new Person();
    await using session = await AuthSession.open({ serverUrl: fixture.mcpUrl, host: person });
    const client = await sdk.connect(fixture.mcpUrl, session.fetch);
    await succeeds(client, 'echo');
    await fixture.resetCounters();
    await fixture.expire();
    await succeeds(client, 'echo');
    assert.equal(await fixture.clientRequests(), 3);
    await client.close();
  });
}
