/** Explains why a `fetch` failed, in words that the user can act on. Node's own message is "fetch failed". */

import { Refusal } from './bridge.js';
import { memberOf, wordsOf } from './describe.js';

/** How deep nested causes are followed. */
const MAX_DEPTH = 8;

const UNTRUSTED =
  'its certificate is not trusted (self-signed, or by a private CA): to trust it, set NODE_EXTRA_CA_CERTS to a file with the CA';
const OTHER_NAME = 'its certificate is for another name';
const NO_WAY = 'there is no route to it';
const TOO_LONG = 'no connection could be made in time';
const NO_TLS = 'it does not use TLS on this port';

/** Why a connection could not be made, by error code. */
const CONNECTING: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused',
  EHOSTUNREACH: NO_WAY,
  ENETUNREACH: NO_WAY,
  ETIMEDOUT: TOO_LONG,
  EAI_AGAIN: 'its name could not be looked up, since no name server answers',
  ENOTFOUND: 'its name could not be found',
};

/** The same for codes that also prove that nothing was sent: the certificate is checked before that. */
const UNSENT: Record<string, string> = {
  UND_ERR_CONNECT_TIMEOUT: TOO_LONG,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; is the clock right?',
  CERT_REVOKED: 'its certificate was revoked',
  CERT_UNTRUSTED: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID: OTHER_NAME,
  HOSTNAME_MISMATCH: OTHER_NAME,
};

/** Failures of a connection that do not tell how much of the request the server received. */
const BROKEN: Record<string, string> = {
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
};

/** A proxy's response to CONNECT, in undici's words. */
const BY_PROXY = /^Proxy response \((\d+)\) !== 200/;
/** TLS alerts of servers that require a client certificate or reject the given one. */
const CLIENT_CERTIFICATE =
  /ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNKNOWN_CA|HANDSHAKE_FAILURE)$/;

interface Why {
  words: string;
  /** Certainly nothing was sent. */
  unsent: boolean;
}

/** Converts an exception of `fetch` to an explanation with the exception as its cause, or returns it unchanged. */
export function fetchFailure(thrown: unknown): unknown {
  const why = reasonOf(thrown);
  if (why) return new Refusal(why.words, why.unsent, thrown);
  const inner = memberOf(thrown, 'cause');
  const words = wordsOf(inner);
  // If the exception says only that it failed, its cause has the reason.
  const isBare = wordsOf(thrown) === 'fetch failed' && memberOf(inner, 'message') !== undefined && words !== '';
  return isBare ? new Refusal(`fetch failed: ${words}`, false, thrown) : thrown;
}

function reasonOf(thrown: unknown): Why | undefined {
  try {
    return reason(thrown, MAX_DEPTH);
  } catch {
    // It throws when it is inspected.
    return undefined;
  }
}

function reason(error: unknown, depth: number): Why | undefined {
  if (typeof error !== 'object' || error === null || depth === 0) return undefined;
  const tried = memberOf(error, 'errors');
  if (Array.isArray(tried)) return ofAll(tried, depth - 1);
  return ofOne(error) ?? reason(memberOf(error, 'cause'), depth - 1);
}

/** Combines the errors of several addresses: the first known reason; unsent if none of them received anything. */
function ofAll(tried: unknown[], depth: number): Why | undefined {
  const reasons = tried.slice(0, MAX_DEPTH).map((error) => reason(error, depth));
  const first = reasons.find((why) => why !== undefined);
  const unsent = reasons.length === tried.length && reasons.every((why) => why?.unsent);
  return first && { words: first.words, unsent };
}

function ofOne(error: object): Why | undefined {
  const code = memberOf(error, 'code');
  const proxy = BY_PROXY.exec(wordsOf(error));
  if (proxy) return { words: `the proxy refused the connection (HTTP status ${proxy[1]})`, unsent: true };
  if (typeof code !== 'string') return undefined;
  if (Object.hasOwn(UNSENT, code)) return { words: withCode(UNSENT, code), unsent: true };
  if (Object.hasOwn(CONNECTING, code)) return connecting(error, code);
  if (Object.hasOwn(BROKEN, code)) return { words: withCode(BROKEN, code), unsent: false };
  if (CLIENT_CERTIFICATE.test(code)) {
    return { words: `it refused the TLS connection; it may require a client certificate (${code})`, unsent: false };
  }
  return undefined;
}

function connecting(error: object, code: string): Why {
  const [call, address, port] = ['syscall', 'address', 'port'].map((name) => memberOf(error, name));
  // Some of these codes also occur on connections that are already open.
  const unsent = call === 'connect' || call === 'getaddrinfo';
  const where = typeof address === 'string' && Number.isInteger(port) ? `, ${address} port ${port}` : '';
  return { words: `${CONNECTING[code]} (${code}${where})`, unsent };
}

const withCode = (words: Record<string, string>, code: string) => `${words[code]} (${code})`;
