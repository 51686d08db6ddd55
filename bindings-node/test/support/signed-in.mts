import { once } from 'node:events';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { AuthSession, type AuthSessionOptions } from 'mcp-reauth';

/** The token of sessions that never signed in. */
export const TOKEN = 'the-token-of-this-test';

/** A session with a credential that no server granted. */
export async function signedInTo(serverUrl: string, options: Partial<AuthSessionOptions> = {}): Promise<AuthSession> {
  const session = await AuthSession.open({ serverUrl, ...options });
  const { origin } = new URL(serverUrl);
  const by = { issuer: origin, token_endpoint: `${origin}/token` };
  const obtained_at = Math.floor(Date.now() / 1000);
  await session.setAuthState({
    grant: { id: 'a', by, access_token: TOKEN, granted: [], obtained_at },
    requested: [],
  });
  return session;
}

/** A hand-written server. */
export interface Served extends AsyncDisposable {
  origin: string;
}

export async function serve(listener: RequestListener): Promise<Served> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Waits until a response accepts more data, or its client has gone. */
export async function drained(response: ServerResponse): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  try {
    await Promise.race([once(response, 'drain', { signal }), once(response, 'close', { signal })]);
  } finally {
    over.abort();
  }
}
