/** Node's network settings, for the native HTTP client to use as well. */

import { readFileSync } from 'node:fs';
import tls from 'node:tls';

/** The settings of the native client: `bindings-common/src/public.rs`. */
interface NodeNetwork {
  /** The certificate authorities that Node trusts, in PEM; empty: those of the system. */
  authorities: string[];
  /** Whether Node uses `HTTPS_PROXY` and the like. */
  envProxies: boolean;
}

export const nodeNetwork = (): NodeNetwork => ({ authorities: authorities(), envProxies: usesEnvProxies() });

function authorities(): string[] {
  if (isSet('--use-openssl-ca')) return [];
  // Since Node 22.15.
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] };
  return getCACertificates?.('default') ?? [...tls.rootCertificates, ...extra()];
}

function extra(): string[] {
  const file = process.env.NODE_EXTRA_CA_CERTS;
  try {
    return file ? [readFileSync(file, 'utf8')] : [];
  } catch {
    // Node has printed a warning.
    return [];
  }
}

function usesEnvProxies(): boolean {
  const flag = '--use-env-proxy';
  // Older Node versions (before 22.21 and 24.5) do not have the flag.
  if (!process.allowedNodeEnvironmentFlags.has(flag)) return false;
  return isSet(flag) || process.env.NODE_USE_ENV_PROXY === '1';
}

function isSet(flag: string): boolean {
  return process.execArgv.includes(flag) || (process.env.NODE_OPTIONS ?? '').split(/\s+/).includes(flag);
}
