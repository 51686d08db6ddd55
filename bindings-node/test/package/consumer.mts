/**
 * A program that uses the package's exports. It is compiled but not run, as ES module and CommonJS, so it has no
 * top-level `await` and no `import.meta`.
 */

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import {
  type AuthChallenge,
  type AuthHost,
  type AuthorizationRequest,
  AuthSession,
  type AuthSessionOptions,
  authChallengeFromError,
  authChallengeFromToolResult,
  type Callback,
  type Credentials,
  computeScopeUnion,
  type ErrorCode,
  FileStore,
  type HostContext,
  type IdentityProviderState,
  isStrictScopeSuperset,
  loopbackHost,
  MemoryStore,
  type Outcome,
  parseAuthChallengeFromResponse,
  ReauthError,
  type ResourceRequest,
  type Revocation,
  type SessionEvent,
  type StepUpRequest,
  type StoredRecord,
  type StoreKey,
  scopeDifference,
  scopesCover,
  type TokenStore,
  wording,
} from 'mcp-reauth';

const serverUrl = 'https://mcp.example.com/mcp';

class OwnStore implements TokenStore {
  readonly place = 'a map';
  readonly #records = new Map<string, StoredRecord>();
  readonly #leases = new Map<string, string>();
  #count = 0;

  load(key: StoreKey): StoredRecord | undefined {
    return this.#records.get(nameOf(key));
  }

  async save(key: StoreKey, data: Buffer, expected: number | undefined): Promise<number | null> {
    if (this.#records.get(nameOf(key))?.version !== expected) return null;
    const version = ++this.#count;
    this.#records.set(nameOf(key), { version, data });
    return version;
  }

  delete(key: StoreKey, expected: number): boolean {
    return this.#records.get(nameOf(key))?.version === expected && this.#records.delete(nameOf(key));
  }

  tryLease(key: StoreKey, _ttlMs: number): string | undefined {
    if (this.#leases.has(nameOf(key))) return undefined;
    const lease = String(++this.#count);
    this.#leases.set(nameOf(key), lease);
    return lease;
  }

  renewLease(key: StoreKey, lease: string, _ttlMs: number): boolean {
    return this.#leases.get(nameOf(key)) === lease;
  }

  releaseLease(key: StoreKey, lease: string): void {
    if (this.renewLease(key, lease, 0)) this.#leases.delete(nameOf(key));
  }
}

const nameOf = ({ profile, server }: StoreKey): string => JSON.stringify([profile, server]);

const host: AuthHost = {
  redirectUri: async () => 'https://app.example.com/callback',
  confirmStepUp(request: StepUpRequest, { signal }: HostContext): boolean {
    console.log(wording.stepUpBody(request.server, request.challenge, request.newScopes));
    return !signal.aborted;
  },
  async authorize(request: AuthorizationRequest): Promise<Callback> {
    const page = await fetch(request.url, { redirect: 'manual' });
    return new URL(page.headers.get('location') ?? '');
  },
};

const options: AuthSessionOptions = {
  serverUrl: new URL(serverUrl),
  clientName: 'A consumer',
  scopes: ['files:read'],
  policy: { onInsufficientScope: 'reauthorize', maxStepUpRetries: 2 },
  store: new OwnStore(),
  host,
  fetch: (input, init) => fetch(input, init),
};

export async function main(): Promise<void> {
  await using session = await AuthSession.open(options);
  const transport = new StreamableHTTPClientTransport(new URL(serverUrl), { fetch: session.fetch });
  const client = new Client({ name: 'consumer', version: '1' });
  await client.connect(transport);
  session.addEventListener('renewed', ({ detail }) => console.log(detail.issuer, detail.scopes.join(' ')));
  // @ts-expect-error: this event has no issuer.
  session.addEventListener('signed_out', ({ detail }) => console.log(detail.issuer));
  try {
    const result = await client.callTool({ name: 'write_note' });
    const challenge = authChallengeFromToolResult(result);
    if (challenge) console.log(described(await session.handleAuthChallenge(challenge, { trigger: 'command' })));
  } catch (error) {
    if (error instanceof ReauthError) console.log(advice(error.code), error.sentence, error.challenge?.requiredScopes);
    else console.log(authChallengeFromError(error)?.reason);
  }
  for await (const event of session.events()) console.log(said(event));
  const revocation: Revocation = await session.signOut();
  console.log(revocation);
}

/** With the SDK's `AuthProvider`, on a terminal. */
export async function atTerminal(): Promise<StreamableHTTPClientTransport> {
  const terminal = { ...loopbackHost({ openBrowser: false }), confirmStepUp: () => true };
  const session = await AuthSession.open({ serverUrl, host: terminal, store: new FileStore('credentials.json') });
  return new StreamableHTTPClientTransport(new URL(serverUrl), { authProvider: session.authProvider });
}

/** With a custom transport. */
export async function ownTransport(signal: AbortSignal): Promise<Response> {
  const client = { id: 'nightly', secret: 'secret', issuer: 'https://as.example.com' };
  const credentials: Credentials = { kind: 'client_credentials', client };
  const session = await AuthSession.open({ serverUrl, credentials, store: new MemoryStore() });
  const request: ResourceRequest = session.request({ operation: { method: 'tools/list' }, signal });
  const response = await fetch(serverUrl, { headers: await request.authorize({ method: 'GET' }) });
  const challenge: AuthChallenge | undefined = parseAuthChallengeFromResponse(response);
  const again = await request.recover(response);
  const sent = session.authorization();
  if (again && challenge && !(await session.checkAuthChallengeSatisfied(challenge, sent))) throw new Error('odd');
  return response;
}

export async function managed(): Promise<IdentityProviderState | undefined> {
  const credentials: Credentials = {
    kind: 'enterprise',
    identityProvider: { issuer: 'https://idp.example.com', clientId: 'consumer' },
  };
  const session = await AuthSession.open({ serverUrl, credentials, dpop: 'always' });
  const state = await session.authState();
  if (state) await session.setAuthState(state);
  await session.completeAuthorization({ code: 'code', state: 'state' });
  const { authorized, expiresAt } = await session.connectionState();
  console.log(authorized, expiresAt && new Date(expiresAt * 1000));
  await session.close();
  return session.identityProvider?.state();
}

export function scopes(granted: string, required: Iterable<string>): string[] {
  if (scopesCover(granted, required) || isStrictScopeSuperset(granted, 'a b')) return scopeDifference(granted, 'a');
  return computeScopeUnion(granted, required, undefined);
}

// @ts-expect-error: there is no such option.
export const misspelt: AuthSessionOptions = { serverUrl, serverURL: serverUrl };

function described(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'satisfied':
      return 'send it again';
    case 'step_up_confirm':
      return wording.stepUpTitle(outcome.challenge);
    case 'interactive':
      return outcome.authorizationUrl ?? 'later';
    case 'failed':
      return wording.failure(outcome.error);
  }
}

function said(event: SessionEvent): string {
  switch (event.kind) {
    case 'challenged':
    case 'interaction_required':
      return event.challenge.reason;
    case 'renewed':
    case 'authorized':
    case 'authorization_started':
      return event.scopes.join(' ');
    case 'idp_session_renewed':
      return event.issuer;
    case 'renewal_failed':
      return `${event.issuer}: ${event.code}: ${event.message}`;
    case 'consent_asked':
      return event.newScopes.join(' ');
    case 'adopted':
    case 'signed_out':
      return event.kind;
  }
}

/** Has a branch for every code: with one missing, this does not compile. */
function advice(code: ErrorCode): string {
  switch (code) {
    case 'insufficient_scope':
    case 'consent_denied':
    case 'scope_not_granted':
    case 'step_up_limit':
      return 'ask for less';
    case 'interaction_required':
    case 'unauthorized':
    case 'refresh_rejected':
    case 'state_mismatch':
    case 'issuer_mismatch':
    case 'authorization_denied':
    case 'id_token_invalid':
      return 'sign in';
    case 'refresh_unavailable':
    case 'cancelled':
    case 'timeout':
    case 'http':
      return 'try again';
    case 'resource_mismatch':
    case 'metadata_invalid':
    case 'pkce_unsupported':
    case 'registration_rejected':
    case 'insecure_endpoint':
    case 'blocked_endpoint':
      return "look at the server's set-up";
    case 'policy_denied':
    case 'enterprise_not_configured':
    case 'enterprise_disabled':
      return 'ask the administrator';
    case 'store':
    case 'host':
    case 'config':
      return 'look at the set-up of this program';
    case 'internal':
      return 'report it';
  }
}
