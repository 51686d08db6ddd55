/**
 * A server in its own process that answers every call immediately: as JSON, or as an event if the client accepts
 * nothing else. Prints its address, and exits when its input ends.
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ANSWER = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  result: { content: [{ type: 'text', text: 'hello' }], isError: false },
});

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    if (request.headers.accept === 'text/event-stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`event: message\ndata: ${ANSWER}\n\n`);
    } else {
      response.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER);
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
});
process.stdin.resume().on('end', () => process.exit());
