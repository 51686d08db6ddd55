// The clients that are compared, and how each is helped.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const here = fileURLToPath(new URL('./', import.meta.url));
const RMCP = `${root}target/peers/release/mcp-reauth-peer-rmcp`;
const TYPESCRIPT = `${here}clients/typescript.mjs`;
const python = `${root}target/third-party/fastmcp/bin/python`;

/** The version of an npm package. */
const npm = (name) => JSON.parse(readFileSync(`${here}node_modules/${name}/package.json`, 'utf8')).version;

/** The version of a Python package, from the file that names all of them. */
function pip(name) {
  const packages = readFileSync(`${here}../third-party/others/python/packages/fastmcp.txt`, 'utf8');
  return packages.match(new RegExp(`^${name}==(\\S+)`, 'm'))[1];
}

/** The version of a crate that the peer in Rust uses. */
function crate(name) {
  const lock = readFileSync(`${here}clients/rmcp/Cargo.lock`, 'utf8');
  return lock.match(new RegExp(`name = "${name}"\\nversion = "([^"]+)"`))[1];
}

export const PEERS = [
  {
    title: 'ours, Rust',
    command: [`${root}target/release/mcp-reauth-examined-client`],
    bare: [RMCP],
    bareTitle: 'rmcp',
    version: 'this repository',
    help: 'none: its terminal host opens pages and receives callbacks, its file store is shared',
  },
  {
    title: 'ours, Node',
    command: [process.execPath, `${root}tests/examine/client-node/client.mjs`],
    bare: [process.execPath, TYPESCRIPT, 'full'],
    bareTitle: 'the TypeScript SDK',
    version: `this repository, with @modelcontextprotocol/client ${npm('@modelcontextprotocol/client')}`,
    help: 'none: `loopbackHost` opens pages and receives callbacks, its file store is shared',
  },
  {
    title: 'ours, Python',
    command: [`${root}target/python/mcp2/bin/python`, `${root}tests/examine/client-python/client.py`],
    bare: [python, `${here}clients/python_sdk.py`],
    bareTitle: 'the Python SDK',
    version: `this repository, with mcp ${pip('mcp')}`,
    help: 'none: `TerminalHost` opens pages and receives callbacks, its file store is shared',
  },
  {
    title: 'TypeScript SDK, full',
    command: [process.execPath, TYPESCRIPT, 'full'],
    bareTitle: 'the TypeScript SDK',
    version: `@modelcontextprotocol/client ${npm('@modelcontextprotocol/client')}`,
    help: 'a provider with the optional methods; the host compares `state`, calls `finishAuth`, and sends again what had failed',
  },
  {
    title: 'TypeScript SDK, minimal',
    command: [process.execPath, TYPESCRIPT, 'minimal'],
    bareTitle: 'the TypeScript SDK',
    version: `@modelcontextprotocol/client ${npm('@modelcontextprotocol/client')}`,
    help: 'a provider with the required methods and `saveClientInformation`; the host calls `finishAuth`, and sends again what had failed',
  },
  {
    title: 'Python SDK',
    command: [python, `${here}clients/python_sdk.py`],
    bareTitle: 'the Python SDK',
    version: `mcp ${pip('mcp')}`,
    help: '`OAuthClientProvider` with a storage in a file, as its documentation has it; the host visits pages, and connects again after an error in the authorization has closed the connection',
  },
  {
    title: 'FastMCP',
    command: [python, `${here}clients/fastmcp_client.py`],
    bareTitle: 'FastMCP with a bearer token',
    version: `fastmcp ${pip('fastmcp')}`,
    help: '`OAuth` with the store in files that its own command uses; it opens pages and receives callbacks',
  },
  {
    title: 'rmcp',
    command: [RMCP],
    bareTitle: 'rmcp',
    version: `rmcp ${crate('rmcp')}`,
    help: 'a store in a file with a refresh guard; the host registers, visits pages, steps up, and sends again what had failed',
  },
  {
    title: 'mcp-remote',
    command: [process.execPath, `${here}clients/mcp-remote.mjs`],
    bareTitle: 'mcp-remote with a header',
    version: `mcp-remote ${npm('mcp-remote')}`,
    help: 'none: it opens pages, receives callbacks and keeps its files in the folder that it is given',
  },
];
