import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** A request that a {@link Secured} server received. */
export interface Seen {
  path: string;
  userAgent: string;
  /** The source address of its connection. */
  from: string;
  /** Whether it presented a trusted certificate. */
  certified: boolean;
}

/** An MCP server and its authorization server over https, on separate ports. They agree to everything. */
export class Secured implements AsyncDisposable {
  /** The requests to the MCP server itself. */
  readonly called: Seen[] = [];
  /** The authorization requests: documents, registrations and tokens, without pages. */
  readonly authorized: Seen[] = [];
  readonly mcpUrl: string;
  readonly origins: string[];
  readonly #servers: Server[];

  private constructor(servers: Server[], host: string) {
    this.#servers = servers;
    this.origins = servers.map((server) => `https://${host}:${(server.address() as AddressInfo).port}`);
    this.mcpUrl = `${this.origins[0]}/mcp`;
    for (const server of servers) server.on('request', (request, response) => this.#answer(request, response));
  }

  static async start(options: ServerOptions, host = 'localhost'): Promise<Secured> {
    const servers = [createServer(options), createServer(options)];
    for (const server of servers) {
      // Connections without the required certificate.
      server.on('tlsClientError', () => {});
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    return new Secured(servers, host);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams } = new URL(request.url ?? '', this.mcpUrl);
    const body = Buffer.concat(await request.toArray()).toString();
    const { remoteAddress: from = '', authorized: certified } = request.socket as TLSSocket;
    const seen = { path, userAgent: request.headers['user-agent'] ?? '', from, certified };
    if (path === '/mcp') this.called.push(seen);
    else if (path !== '/authorize') this.authorized.push(seen);
    if (path === '/mcp' && !request.headers.authorization) {
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
    } else if (path === '/authorize') {
      const to = new URL(searchParams.get('redirect_uri') ?? '');
      to.search = String(new URLSearchParams({ code: 'a-code', state: searchParams.get('state') ?? '' }));
      response.writeHead(302, { location: to.href }).end();
    } else {
      const document = this.#documents(body)[path];
      const status = document === undefined ? 404 : path === '/register' ? 201 : 200;
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document ?? {}));
    }
  }

  #documents(body: string): Record<string, unknown> {
    const [, issuer] = this.origins;
    const json = body.startsWith('{') ? JSON.parse(body) : {};
    return {
      '/mcp': { jsonrpc: '2.0', id: json.id, result: { content: [{ type: 'text', text: 'hello' }] } },
      '/.well-known/oauth-protected-resource/mcp': { resource: this.mcpUrl, authorization_servers: [issuer] },
      '/.well-known/oauth-authorization-server': {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        registration_endpoint: `${issuer}/register`,
        response_types_supported: ['code'],
        code_challenge_methods_supported: ['S256'],
        token_endpoint_auth_methods_supported: ['none'],
      },
      '/register': { ...json, client_id: 'a-client', token_endpoint_auth_method: 'none' },
      '/token': { access_token: 'a-token', token_type: 'Bearer', expires_in: 3600 },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  }
}
