// Verifies access tokens for the MCP server.

import { OAuthError, OAuthErrorCode } from '@modelcontextprotocol/server';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

/** A verifier for the official guard. For bound tokens it compares the thumbprint of the proof's key. */
export function verifier({ authority, resource, format }) {
  const read = format === 'jwt' ? signed(authority, resource) : introspected(authority);
  return {
    async verifyAccessToken(token, proved) {
      const claims = await read(token);
      if (claims.cnf?.jkt !== proved) throw invalid('The token is not bound to the key that was proved');
      return {
        token,
        clientId: claims.client_id,
        scopes: claims.scope?.split(' ') ?? [],
        expiresAt: claims.exp,
        resource: claims.aud && new URL(claims.aud),
        extra: { subject: claims.sub },
      };
    },
  };
}

export function invalid(message) {
  return new OAuthError(OAuthErrorCode.InvalidToken, message);
}

function introspected({ behind, introspector: { id, secret } }) {
  return async (token) => {
    const response = await fetch(`${behind}/token/introspection`, {
      method: 'POST',
      body: new URLSearchParams({ token, client_id: id, client_secret: secret }),
    });
    if (!response.ok) throw new Error(`introspection: ${response.status}`);
    const claims = await response.json();
    if (!claims.active) throw invalid('The token is not active');
    return claims;
  };
}

function signed({ issuer }, audience) {
  const keys = createRemoteJWKSet(new URL('/jwks', issuer));
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt' });
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) throw invalid(error.message);
      throw error;
    }
  };
}
