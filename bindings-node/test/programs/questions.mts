/** Asks several questions at once through the terminal host, and prints the answers. */

import { loopbackHost } from 'mcp-reauth';

const [count, assumeYes] = process.argv.slice(2);
const host = loopbackHost({ redirectUri: 'http://127.0.0.1:0/callback', assumeYes: assumeYes === 'yes' });
const { signal } = new AbortController();
const answers = Array.from({ length: Number(count) }, (_, i) =>
  host.confirmStepUp(
    {
      server: `server ${i + 1}`,
      challenge: {
        reason: 'insufficient_scope',
        requiredScopes: ['mcp:write'],
        context: { method: 'tools/call', toolName: 'write_note' },
      },
      newScopes: ['mcp:write'],
      scopes: ['mcp:read', 'mcp:write'],
    },
    { signal },
  ),
);
console.log(`answers: ${JSON.stringify(await Promise.all(answers))}`);
