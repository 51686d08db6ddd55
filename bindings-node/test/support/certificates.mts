import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A certificate and its key, in PEM. */
export interface Identity {
  cert: string;
  key: string;
}

/** Certificates of a generated authority, for the names in `NAMES`. */
export interface Certificates {
  /** The authority's own certificate, in a file. */
  file: string;
  ca: string;
  server: Identity;
  expired: Identity;
  /** For another name. */
  foreign: Identity;
  client: Identity;
}

/** No resolver knows the second name; only a proxy that is told resolves it. */
export const NAMES = ['localhost', 'mcp.behind-the-proxy.invalid'];

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Generates them; `undefined` if this machine has no suitable OpenSSL. */
export async function certificates(folder: string): Promise<Certificates | undefined> {
  const openssl = async (...args: string[]) => {
    await run('openssl', args, { cwd: folder });
  };
  const signed = async (name: string, names: string[], days = 2): Promise<Identity> => {
    const extension = `subjectAltName=${names.map((each) => `DNS:${each}`).join(',')}`;
    await writeFile(join(folder, `${name}.ext`), extension);
    const [key, cert, request] = [`${name}.key`, `${name}.pem`, `${name}.csr`];
    await openssl('req', ...KEY, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', String(days)];
    await openssl('x509', '-req', '-in', request, ...by, '-extfile', `${name}.ext`, '-out', cert);
    const [key_, cert_] = await Promise.all([key, cert].map((file) => readFile(join(folder, file), 'utf8')));
    return { key: key_ as string, cert: cert_ as string };
  };
  try {
    await openssl('version');
  } catch {
    return undefined;
  }
  const file = join(folder, 'ca.pem');
  await openssl('req', '-x509', ...KEY, '-keyout', 'ca.key', '-out', file, '-subj', '/CN=A private CA', '-days', '2');
  return {
    file,
    ca: await readFile(file, 'utf8'),
    server: await signed('server', NAMES),
    expired: await signed('expired', NAMES, -1),
    foreign: await signed('foreign', ['another.example']),
    client: await signed('client', ['client.example']),
  };
}
