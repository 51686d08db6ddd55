import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A received request. */
export interface Seen {
  method: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** The response of the front itself, or `undefined` to forward the request. */
export type Answer = { status: number; headers?: Record<string, string | string[]>; body?: string } | undefined;

/**
 * A server in front of another one, for behaviour that the other lacks. It records and forwards requests, and can
 * convert the responses to tool calls to event streams.
 */
export class Front implements AsyncDisposable {
  readonly seen: Seen[] = [];
  /** Returns a response in place of the server behind. */
  answer: (request: Seen) => Answer | Promise<Answer> = () => undefined;
  /** Converts the JSON response of a tool call to the chunks of an event stream. */
  streams: ((json: string) => Iterable<string | Uint8Array>) | undefined;
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  }

  /** Starts a front for the server at `behind`. */
  static async start(behind = ''): Promise<Front> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const front = new Front(server);
    server.on('request', async (request, response) => {
      const chunks = await request.toArray();
      const seen = { method: request.method ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() };
      front.seen.push(seen);
      const own = await front.answer(seen);
      if (own) {
        response.writeHead(own.status, own.headers).end(own.body);
        return;
      }
      const headers = Object.entries(seen.headers).filter(([name]) => PASSED_ON.includes(name)) as [string, string][];
      const { method, body } = seen;
      const answered = await fetch(behind, { method, headers, ...(body && { body }) });
      const text = await answered.text();
      const json = text.replace(/^data: /, '').trimEnd();
      const stream = answered.ok && body.includes('"tools/call"') ? front.streams?.(json) : undefined;
      response.writeHead(answered.status, [
        ...[...answered.headers].filter(([name]) => PASSED_BACK.includes(name)).flat(),
        'content-type',
        stream ? 'text/event-stream' : (answered.headers.get('content-type') ?? 'text/plain'),
      ]);
      for (const chunk of stream ?? [text]) response.write(chunk);
      response.end();
    });
    return front;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const PASSED_ON = [
  'accept',
  'authorization',
  'content-type',
  'dpop',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
];
const PASSED_BACK = ['www-authenticate', 'mcp-session-id', 'dpop-nonce'];
