// A proxy in front of a server. It forwards and records requests, and can hold the requests that recover from a
// rejection (token requests, and the user's browser). It records no secret.

import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';

/** The User-Agent of the user's browser, which distinguishes its requests from the client's. */
const BROWSER = /^Mozilla\//;

export class Front {
  /** The requests so far, in order: of the client, of the user's browser, and for event streams. */
  requests = [];
  /** The number of waiting requests. */
  held = 0;
  #gate;
  #release;

  /** Listens on loopback and returns the origin; `to()` is the origin to forward requests to. */
  async listen(to) {
    const server = createServer((request, response) => {
      this.#handle(to(), request, response).catch((error) => {
        console.error(error);
        response.destroy();
      });
    });
    // The client could reuse an idle connection just when it is closed.
    server.keepAliveTimeout = 0;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${server.address().port}`;
  }

  /** Holds such requests until `release`. */
  hold() {
    this.#gate ??= new Promise((release) => (this.#release = release));
  }

  release() {
    this.#release?.();
    this.#gate = undefined;
  }

  async #handle(origin, request, response) {
    const body = await read(request);
    const note = this.#note(request, body.toString());
    if (this.#gate && (note.grant || note.by === 'browser')) {
      this.held += 1;
      await this.#gate;
      this.held -= 1;
    }
    const { method, headers, url } = request;
    const onward = httpRequest(new URL(url, origin), { method, headers, agent: false });
    response.on('close', () => onward.destroy());
    onward.on('error', (error) => response.destroy(error));
    onward.on('response', (answer) => {
      note.status = answer.statusCode;
      response.writeHead(answer.statusCode, answer.rawHeaders);
      if (note.grant) answer.on('data', (chunk) => (note.error ??= errorIn(chunk)));
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.end(body);
  }

  #note({ method, url, headers }, body) {
    const [path] = url.split('?');
    const by = whose(method, path, headers['user-agent'] ?? '');
    const note = { by, method, path, ...what(headers['content-type'] ?? '', body) };
    this.requests.push(note);
    return note;
  }
}

function whose(method, path, agent) {
  if (BROWSER.test(agent)) return 'browser';
  return method === 'GET' && path === '/mcp' ? 'stream' : 'client';
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The JSON-RPC method or the grant type of a request. */
function what(type, body) {
  if (type.startsWith('application/x-www-form-urlencoded')) {
    return { grant: new URLSearchParams(body).get('grant_type') ?? undefined };
  }
  if (!type.startsWith('application/json')) return {};
  try {
    return { rpc: JSON.parse(body).method };
  } catch {
    return {};
  }
}

/** The error code in the response to a token request. */
function errorIn(chunk) {
  return /"error"\s*:\s*"([a-z_]+)"/.exec(chunk.toString())?.[1];
}
