/** How Node itself reaches the network, for the native HTTP client to do alike. */

import { readFileSync } from 'node:fs';
import tls from 'node:tls';

/** What the native part makes its client with: `bindings-common/src/public.rs`. */
interface NodeNetwork {
  /** The certificate authorities that Node trusts, in PEM; none: those of the system. */
  authorities: string[];
  /** Whether Node heeds `HTTPS_PROXY` and the like. */
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
    // Node has warned of it.
    return [];
  }
}

function usesEnvProxies(): boolean {
  const flag = '--use-env-proxy';
  // Node before 22.21 and 24.5 knows nothing of it.
  if (!process.allowedNodeEnvironmentFlags.has(flag)) return false;
  return isSet(flag) || process.env.NODE_USE_ENV_PROXY === '1';
}

function isSet(flag: string): boolean {
  return process.execArgv.includes(flag) || (process.env.NODE_OPTIONS ?? '').split(/\s+/).includes(flag);
}
