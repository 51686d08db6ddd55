// The authorization server: oidc-provider, configured for MCP servers, otherwise with its defaults. So the refresh
// tokens of public clients rotate.

import { randomBytes, randomUUID } from 'node:crypto';

import { exportJWK, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';

import { Gate } from './gate.mjs';

export const SCOPES = ['mcp:read', 'mcp:write'];

export async function authorizationServer({ issuer, behind, resource, settings, ledger }) {
  const introspector = { id: 'the-mcp-server', secret: randomUUID() };
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: introspector.id,
        client_secret: introspector.secret,
        token_endpoint_auth_method: 'client_secret_post',
        grant_types: [],
        response_types: [],
        redirect_uris: [],
      },
      ...settings.clients,
    ],
    clientAuthMethods: settings.clientAuthMethods,
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    cookies: { keys: [randomUUID()] },
    features: features({ resource, settings, introspector }),
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    jwks: { keys: [await signingKey()] },
    pkce: { required: () => true },
    ...(settings.alwaysRotates && { rotateRefreshToken: true }),
    ...(!settings.refreshTokensNeedPrompt && {
      issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
      // Without `offline_access` they would end with the browser's session.
      expiresWithSession: () => false,
    }),
    // Issued tokens live as long as the settings say, without the default tolerance of fifteen seconds.
    clockTolerance: 0,
  });
  ledger.follow(provider);

  const gate = new Gate((request) => new URL(request.url, issuer).pathname === '/token');
  const handle = provider.callback();
  return {
    issuer,
    /** The address on which it listens. */
    behind,
    introspector,
    provider,
    gate,
    handle: async (request, response) => {
      await gate.pass(request);
      handle(request, response);
    },
  };
}

function features({ resource, settings, introspector }) {
  return {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    dPoP: {
      enabled: true,
      nonceSecret: settings.dpopNonces ? randomBytes(32) : undefined,
      requireNonce: () => settings.dpopNonces,
    },
    introspection: {
      enabled: true,
      allowedPolicy: (_, client) => client.clientId === introspector.id,
    },
    pushedAuthorizationRequests: {
      enabled: true,
      requirePushedAuthorizationRequests: settings.requirePushedRequests,
    },
    registration: { enabled: settings.dynamicRegistration },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, indicator) => {
        if (indicator !== resource) throw new errors.InvalidTarget();
        return {
          scope: SCOPES.join(' '),
          audience: resource,
          accessTokenTTL: settings.accessTokenLife,
          accessTokenFormat: settings.accessTokenFormat,
          jwt: { sign: { alg: 'ES256' } },
        };
      },
    },
    revocation: { enabled: true },
  };
}

async function signingKey() {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: randomUUID() };
}
