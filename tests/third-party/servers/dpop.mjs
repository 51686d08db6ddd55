// Tokens bound to a key (RFC 9449), which the official packages do not support: proofs, nonces and challenges.

import { createHash, randomUUID } from 'node:crypto';

import { buildOAuthProtectedResourceMetadata, OAuthError, verifyBearerToken } from '@modelcontextprotocol/server';
import { calculateJwkThumbprint, EmbeddedJWK, errors, jwtVerify } from 'jose';

import { invalid } from './verifier.mjs';

const ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519'];
/** The largest difference between a proof's time and the clock, in seconds. */
const WINDOW = 60;

/** The nonce that proofs must contain. */
export class Nonces {
  constructor(needed) {
    this.current = needed ? randomUUID() : undefined;
  }

  /** Invalidates the current nonce. */
  change() {
    if (this.current) this.current = randomUUID();
  }
}

class ProofError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Like the official `requireBearerAuth`, for the scheme DPoP. */
export function requireDpopAuth(options, nonces) {
  const seen = new Set();
  return async (request, response, next) => {
    try {
      const [scheme, token] = request.headers.authorization?.split(' ') ?? [];
      if (scheme?.toLowerCase() !== 'dpop' || !token) throw invalid('A token with a DPoP proof is needed');
      const thumbprint = await provedKey(request, token, nonces, seen);
      const verify = (token) => options.verifier.verifyAccessToken(token, thumbprint);
      const verifier = { verifyAccessToken: verify };
      request.auth = await verifyBearerToken(`Bearer ${token}`, { ...options, verifier });
    } catch (error) {
      if (!(error instanceof OAuthError || error instanceof ProofError)) return next(error);
      if (nonces.current) response.set('DPoP-Nonce', nonces.current);
      const status = error.code === 'insufficient_scope' ? 403 : 401;
      const body = { error: error.code, error_description: error.message };
      return response.set('WWW-Authenticate', challenge(body, options)).status(status).json(body);
    }
    next();
  };
}

/** Verifies the request's proof and returns the thumbprint of its key. */
async function provedKey(request, token, nonces, seen) {
  const bad = (why) => new ProofError('invalid_dpop_proof', why);
  const proof = request.headers.dpop;
  if (!proof) throw bad('There is no proof');
  const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
    algorithms: ALGORITHMS,
    typ: 'dpop+jwt',
    maxTokenAge: WINDOW,
    clockTolerance: WINDOW,
    requiredClaims: ['htm', 'htu', 'iat', 'jti', 'ath'],
  }).catch((error) => {
    throw error instanceof errors.JOSEError ? bad(error.message) : error;
  });
  const url = `http://${request.headers.host}${request.baseUrl}`;
  if (payload.htm !== request.method || payload.htu !== url) throw bad('The proof is for another request');
  if (payload.ath !== createHash('sha256').update(token).digest('base64url')) {
    throw bad('The proof is for another token');
  }
  if (payload.nonce !== nonces.current) throw new ProofError('use_dpop_nonce', 'The proof needs the nonce');
  if (seen.has(payload.jti)) throw bad('The proof was used before');
  seen.add(payload.jti);
  return calculateJwkThumbprint(protectedHeader.jwk);
}

function challenge({ error, error_description: description }, { requiredScopes, resourceMetadataUrl }) {
  const parameters = {
    error,
    error_description: description.replaceAll(/["\\]/g, "'"),
    scope: requiredScopes.join(' '),
    resource_metadata: resourceMetadataUrl,
    algs: ALGORITHMS.join(' '),
  };
  return `DPoP ${Object.entries(parameters)
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ')}`;
}

/** Wraps the handler so that its scope challenges name the scheme in use. */
export function dpopChallenge(handler) {
  return {
    async fetch(request, options) {
      const response = await handler.fetch(request, options);
      const value = response.headers.get('WWW-Authenticate');
      const bound = /^dpop /i.test(request.headers.get('Authorization') ?? '');
      if (bound && value) response.headers.set('WWW-Authenticate', value.replace(/^Bearer /, 'DPoP '));
      return response;
    },
  };
}

/** The protected resource's metadata with the DPoP members (RFC 9728). */
export function dpopMetadata(options, required) {
  const document = {
    ...buildOAuthProtectedResourceMetadata(options),
    dpop_signing_alg_values_supported: ALGORITHMS,
    dpop_bound_access_tokens_required: required,
  };
  const path = `/.well-known/oauth-protected-resource${options.resourceServerUrl.pathname}`;
  return (request, response, next) => {
    if (request.method === 'GET' && request.path === path) return response.json(document);
    next();
  };
}
