// A client for `mcp-reauth examine` without any library, which makes one mistake on purpose: the one that the variable
// MISTAKE names. Without a mistake it passes every scenario.

import { createInterface } from 'node:readline';

import { makes } from './mistakes.mjs';
import { Session } from './session.mjs';
import { Store } from './store.mjs';

const { MCP_REAUTH_EXAMINE_STORE: folder } = process.env;
const PROTOCOL = '2025-11-25';
const session = new Session(process.argv.at(-1), new Store(folder));
const base = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' };
const headers = { ...base };
let next = 0;
let turn = Promise.resolve();

/** Sends a JSON-RPC message; one with an `id` has a result. */
async function rpc(method, params, id) {
  const body = JSON.stringify({ jsonrpc: '2.0', ...(id && { id }), method, params });
  const response = await session.send({ method: 'POST', headers, body });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const text = await response.text();
  if (!id) return undefined;
  const opened = response.headers.get('mcp-session-id');
  if (opened) headers['mcp-session-id'] = opened;
  const lines = text.split('\n').map((line) => line.replace(/^data: ?/, ''));
  const { result } =
    lines
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
      .find((m) => m.id === id) ?? {};
  if (!result || result.isError) throw new Error('there is no result');
  return result;
}

const request = (method, params) => rpc(method, params, ++next);

async function connect() {
  await session.open();
  const clientInfo = { name: 'faulty', version: '1' };
  await request('initialize', { protocolVersion: PROTOCOL, capabilities: {}, clientInfo });
  headers['mcp-protocol-version'] = PROTOCOL;
  await rpc('notifications/initialized', {});
}

function call(name) {
  const started = turn.then(() => request('tools/call', { name, arguments: {} }));
  if (makes('waits-for-the-person')) turn = started.catch(() => {});
  return started;
}

async function carryOut({ id, do: what, tool }) {
  try {
    await (what === 'connect' ? connect() : call(tool));
    console.log(JSON.stringify({ id, ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ id, ok: false, error: String(error) }));
  }
}

const commands = createInterface({ input: process.stdin });
commands.on('line', (line) => carryOut(JSON.parse(line)));
commands.on('close', async () => {
  if (makes('never-ends')) return setInterval(() => {}, 1000);
  if (headers['mcp-session-id']) await session.send({ method: 'DELETE', headers }).catch(() => {});
  process.exit();
});
