// The third-party servers: how to start each, what it supports, and remarks.

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

/** A Python server with the packages of one requirements file. */
const python = (packages, script) => [`${TARGET}${packages}/bin/python`, `${HERE}python/${script}`];

/** A Node server with the packages of package-lock.json. */
const node = (script) => [process.execPath, `${HERE}node/${script}`];

/** Remarks for servers without refresh tokens. */
const noRefreshTokens = {
  'token rejected': 'it issues no refresh tokens, so the user signs in again',
  '20 parallel': 'it issues no refresh tokens, so the user signs in again, once for all',
  restart: 'it issues no refresh tokens; the token of the second sign-in is used',
};

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

/** The same as two servers, configured as in the SDK's example. */
const separate = {
  together: false,
  refreshes: false,
  revokes: false,
  stepUp: 'tool',
  remarks: {
    ...noRefreshTokens,
    'step-up': 'the 403 for one tool is by the test, as the SDK has none per tool',
    'sign-out': 'it has no revocation endpoint: tokens are forgotten, and stay good until they expire',
  },
};

/** FastMCP, whose guard names the scopes in its 403. */
const fastmcp = {
  command: python('fastmcp', 'fastmcp_server.py'),
  together: true,
  refreshes: true,
  revokes: true,
  stepUp: 'server',
};

/**
 * `together` says that the MCP server and its authorization server share an origin; `stepUp`, whether a tool or the
 * whole server needs more scope. The server receives all of this as its settings.
 */
export const SERVERS = {
  'oidc-provider': {
    title: 'oidc-provider',
    command: [process.execPath, `${HERE}../servers/main.mjs`],
    together: false,
    refreshes: true,
    revokes: true,
    stepUp: 'tool',
    remarks: {
      'first sign-in': 'it registers no client for scopes of resources, so registering takes three tries',
      'token rejected':
        'it is set up to issue refresh tokens to all clients that register for them; as it comes, it issues none before ' +
        'the second sign-in, which has `prompt=consent`',
    },
  },
  'python-sdk-2': { title: 'Python SDK 2, one server', command: python('mcp-2', 'sdk.py'), ...together },
  'python-sdk-2-separate': { title: 'Python SDK 2, two servers', command: python('mcp-2', 'sdk.py'), ...separate },
  'python-sdk-1': { title: 'Python SDK 1, one server', command: python('mcp-1', 'sdk.py'), ...together },
  'python-sdk-1-separate': {
    title: 'Python SDK 1, two servers',
    command: python('mcp-1', 'sdk.py'),
    ...separate,
    sessionsEnd: true,
    remarks: {
      ...separate.remarks,
      'clients forgotten':
        'its MCP sessions are of one registration: the SDK is told that its session is unknown, and connects again',
    },
  },
  'fastmcp-in-memory': { title: 'FastMCP, in-memory provider', ...fastmcp, proxy: false },
  'fastmcp-proxy': {
    title: 'FastMCP, OAuthProxy',
    ...fastmcp,
    proxy: true,
    revokes: false,
    remarks: {
      'token rejected': 'it forgets no token by itself: the test has it refuse those that are out',
      '20 parallel': 'it forgets no token by itself: the test has it refuse those that are out',
      'grant revoked': 'it forgets no token by itself: the test has it refuse those that are out',
      'clients forgotten': 'it keeps clients beyond a restart: the test has it forget them',
      'sign-out':
        'its revocation endpoint refuses clients without a secret, as all that register there are: tokens are forgotten, and stay good until they expire',
    },
  },
  'typescript-sdk': {
    title: 'TypeScript SDK 1, example provider',
    command: node('typescript-sdk.mjs'),
    together: false,
    refreshes: false,
    revokes: false,
    stepUp: 'tool',
    remarks: {
      ...noRefreshTokens,
      '20 parallel': `${noRefreshTokens['20 parallel']}; its limit of 20 registrations an hour is off`,
      'sign-out': 'its provider revokes nothing: tokens are forgotten, and stay good until they expire',
    },
  },
  'better-auth': {
    title: 'better-auth, MCP plugin',
    command: node('better-auth.mjs'),
    together: true,
    refreshes: true,
    revokes: false,
    stepUp: 'tool',
    remarks: {
      'step-up': "the 403 is by the test, as the plugin's guard knows no scopes",
      'sign-out': 'it has no revocation endpoint: tokens are forgotten, and stay good until they expire',
    },
  },
  'workers-oauth-provider': {
    title: 'Cloudflare workers-oauth-provider',
    command: node('workers-oauth-provider.mjs'),
    together: true,
    refreshes: true,
    revokes: true,
    stepUp: 'tool',
  },
};
