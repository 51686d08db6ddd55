// The servers that others wrote: how each is started, what it can do, and what there is to say about it.

import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const TARGET = fileURLToPath(new URL('../../../target/third-party/', import.meta.url));

/** The situations, as columns of the table. */
export const SITUATIONS = [
  'first sign-in',
  'call',
  'token rejected',
  '20 parallel',
  'grant revoked',
  'step-up',
  'restart',
  'clients forgotten',
  'sign-out',
];

/** A server in Python, by the packages of one requirements file. */
const python = (packages, script) => [`${TARGET}${packages}/bin/python`, `${HERE}python/${script}`];

/** The official Python SDK as one server. */
const together = {
  together: true,
  refreshes: true,
  revokes: true,
  stepUp: 'server',
  remarks: {
    'step-up':
      'the server is set up anew with one more required scope, as the SDK has none per tool; its 403 does not name scopes, ' +
      'its resource metadata does',
  },
};

/** The same as two servers, set up as the example of the SDK is. */
const separate = {
  together: false,
  refreshes: false,
  revokes: false,
  stepUp: 'tool',
  remarks: {
    'token rejected': 'it issues no refresh tokens, so the user signs in again',
    '20 parallel': 'it issues no refresh tokens, so the user signs in again, once for all',
    'step-up': 'the 403 for one tool is by the test, as the SDK has none per tool',
    restart: 'it issues no refresh tokens; the token of the second sign-in is used',
    'sign-out': 'it has no revocation endpoint: tokens are forgotten, and stay good until they expire',
  },
};

/**
 * `together` says that the MCP server and its authorization server are one, at one origin; `stepUp`, whether a tool
 * needs more scope or the whole server does. All of it is handed to the server as its settings.
 */
export const SERVERS = {
  'python-sdk-2': { title: 'Python SDK 2, one server', command: python('mcp-2', 'sdk.py'), ...together },
  'python-sdk-2-separate': { title: 'Python SDK 2, two servers', command: python('mcp-2', 'sdk.py'), ...separate },
  'python-sdk-1': { title: 'Python SDK 1, one server', command: python('mcp-1', 'sdk.py'), ...together },
  'python-sdk-1-separate': { title: 'Python SDK 1, two servers', command: python('mcp-1', 'sdk.py'), ...separate },
};
