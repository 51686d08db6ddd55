import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';

import { ROOT } from './fixture.mjs';
import { freePort } from './ports.mjs';

/** A proxy that only reaches this machine. */
export interface Proxy extends AsyncDisposable {
  url: string;
  /** The host and port of each requested tunnel. */
  tunnels(): Promise<string[]>;
}

/** A proxy that resolves every name to this machine. `refuses` is the status with which it rejects tunnels. */
export async function proxy(refuses?: number): Promise<Proxy> {
  const asked: string[] = [];
  const server = createServer((_, response) => response.writeHead(405).end());
  server.on('connect', (request, socket, head) => {
    asked.push(request.url ?? '');
    if (refuses !== undefined) return socket.end(`HTTP/1.1 ${refuses} No\r\n\r\n`);
    const there = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n');
      there.write(head);
      there.pipe(socket).pipe(there);
    });
    for (const [one, other] of [
      [socket, there],
      [there, socket],
    ] as const)
      one.on('error', () => other.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tunnels: async () => asked,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

/** The source address of tinyproxy's connections. */
export const TINYPROXY_ADDRESS = '127.0.0.2';

/** tinyproxy with a log; `undefined` if it is not installed. */
export async function tinyproxy(folder: string): Promise<Proxy | undefined> {
  const [port, log, config] = [await freePort(), join(folder, 'tinyproxy.log'), join(folder, 'tinyproxy.conf')];
  const settings = ['Listen 127.0.0.1', `Port ${port}`, 'Allow 127.0.0.1', `Bind ${TINYPROXY_ADDRESS}`];
  const logging = [`LogFile "${log}"`, 'LogLevel Connect', 'Timeout 60', 'MaxClients 50', ''];
  await writeFile(config, [...settings, ...logging].join('\n'));
  const installed = join(ROOT, 'target/tools/tinyproxy/usr/bin/tinyproxy');
  const child = spawn(existsSync(installed) ? installed : 'tinyproxy', ['-d', '-c', config], { stdio: 'ignore' });
  try {
    await once(child, 'spawn');
  } catch {
    return undefined;
  }
  await listening(port);
  return {
    url: `http://127.0.0.1:${port}`,
    async tunnels() {
      const text = await readFile(log, 'utf8');
      return [...text.matchAll(/Request \(.*?\): CONNECT (\S+) /g)].map(([, where]) => where ?? '');
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

/** Waits until a program listens on the port. */
async function listening(port: number): Promise<void> {
  for (const start = performance.now(); ; ) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (performance.now() - start > 10_000) throw error;
    } finally {
      socket.destroy();
    }
  }
}
