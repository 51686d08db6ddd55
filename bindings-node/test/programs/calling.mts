/** Connects to a server and calls a tool with the stored credential, without a user. */

import { AuthSession, FileStore } from 'mcp-reauth';

import { sdkFor } from '../support/situations.mjs';
import { answers } from '../support/world.mjs';

const [, , serverUrl = '', wire = '', store = ''] = process.argv;
const session = await AuthSession.open({ serverUrl, store: new FileStore(store) });
const client = await sdkFor(wire).connect(serverUrl, session.fetch);
await answers(client, 'echo');
console.log('answered');
await client.close();
await session.close();
