/**
 * Runs all shared vectors (`tests/vectors` in the root of the repository): through the package's own API where it
 * covers them, otherwise through a build of the native part with a function for vectors.
 */

import './support/testing.mjs';

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import * as reauth from 'mcp-reauth';
import { ROOT } from './support/fixture.mjs';
import { testing } from './support/testing.mjs';

interface Vector {
  name: string;
  // biome-ignore lint/suspicious/noExplicitAny: what it is depends on the file.
  input: any;
  expect: unknown;
}

const FOLDER = `${ROOT}tests/vectors/`;

function vectors(file: string): Vector[] {
  return JSON.parse(readFileSync(`${FOLDER}${file}.json`, 'utf8')).vectors;
}

/** Runs every vector of a file, and reports all failures together. */
function run(file: string, atLeast: number, actual: (input: Vector['input'], name: string) => unknown): void {
  test(`${file}.json`, async () => {
    const all = vectors(file);
    assert.ok(all.length >= atLeast, `only ${all.length} vectors`);
    const failed: string[] = [];
    for (const { name, input, expect } of all) {
      const found = await actual(input, name);
      try {
        assert.deepStrictEqual(found, expect);
      } catch {
        failed.push(`${name}:\n  found  ${JSON.stringify(found)}\n  wanted ${JSON.stringify(expect)}`);
      }
    }
    assert.equal(failed.length, 0, `${failed.length} of ${all.length} fail:\n${failed.join('\n')}`);
  });
}

/** The part of a challenge that vectors compare: everything except `raw`. */
function comparable(challenge: reauth.AuthChallenge | undefined, name: string): unknown {
  if (!challenge) return null;
  const { raw, ...rest } = challenge;
  assert.ok(raw);
  // JavaScript numbers are not exact beyond 2^53; the file's value is the one that JSON.parse returns.
  if (name === 'max-age-u64-max') assert.equal(rest.maxAge, Number(2n ** 64n - 1n));
  return rest;
}

run('challenges', 300, ({ status, wwwAuthenticate = [], toolResult }, name) => {
  if (toolResult !== undefined) return comparable(reauth.authChallengeFromToolResult(toolResult), name);
  const headers = wwwAuthenticate.map((line: string) => ['WWW-Authenticate', line] as const);
  const challenge = reauth.parseAuthChallengeFromResponse({ status, headers });
  if (challenge) assert.equal(challenge.raw?.httpStatus, status);
  return comparable(challenge, name);
});

/** The statuses and header lines of the server below, by path. */
const answers = new Map<string, { status: number; lines: string[] }>();
const server = createServer((request, response) => {
  const { status, lines } = answers.get(request.url ?? '') ?? { status: 404, lines: [] };
  const bytes = (line: string) => Buffer.from(line, 'utf8').toString('latin1');
  response.writeHead(
    status,
    lines.flatMap((line) => ['WWW-Authenticate', bytes(line)]),
  );
  response.end();
});
after(() => server.close());

const MAX_LINE = 8192;

test('challenges.json, over HTTP', async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  let tried = 0;
  for (const { name, input, expect } of vectors('challenges')) {
    const lines: string[] = input.wwwAuthenticate ?? [];
    // `fetch` joins lines, follows redirects, fails on 407, and accepts at most 16 KiB of header fields.
    if (input.toolResult !== undefined || lines.length > 1 || (lines[0]?.length ?? 0) > MAX_LINE) continue;
    if (input.status < 200 || (input.status >= 300 && input.status < 400) || input.status === 407) continue;
    answers.set(`/${name}`, { status: input.status, lines });
    const response = await fetch(`http://127.0.0.1:${port}/${name}`);
    const found = comparable(reauth.parseAuthChallengeFromResponse(response), name);
    await response.body?.cancel();
    assert.deepStrictEqual(found, expect, name);
    tried += 1;
  }
  assert.ok(tried > 150, `only ${tried}`);
});

run('scopes', 60, ({ op, value, sets, granted, required, a, b }) => {
  switch (op) {
    case 'parse':
      return reauth.computeScopeUnion(value);
    case 'union':
      return reauth.computeScopeUnion(...sets);
    case 'covers':
      return reauth.scopesCover(granted, required);
    case 'strictSuperset':
      return reauth.isStrictScopeSuperset(a, b);
    default:
      return reauth.scopeDifference(a, b);
  }
});

const { wording } = reauth;

run('wording', 41, ({ sentence, server, challenge, newScopes, operation, detail }) => {
  switch (sentence) {
    case 'step_up_title':
      return wording.stepUpTitle(challenge);
    case 'step_up_body':
      return wording.stepUpBody(server, challenge, newScopes);
    case 'organization_step_up_body':
      return wording.organizationStepUpBody(server, challenge, newScopes);
    case 'in_progress':
      return wording.inProgress(server);
    case 'in_progress_elsewhere':
      return wording.inProgressElsewhere(server);
    case 'success':
      return wording.success(server, newScopes);
    case 'retry_hint':
      return wording.retryHint(operation);
    case 'cancelled':
      return wording.cancelled(server);
    case 'not_granted':
      return wording.notGranted(server, newScopes);
    case 'session_expired':
      return wording.sessionExpired(server);
    case 'reauthentication_banner':
      return wording.reauthenticationBanner(server, challenge);
    case 'lost_authorization_state':
      return wording.lostAuthorizationState();
    case 'issuer_mismatch':
      return wording.issuerMismatch();
    case 'failure_detail':
      return wording.failureDetail(detail);
    default:
      throw new Error(`there is no sentence ${sentence}`);
  }
});

const OWN = ['challenges', 'scopes', 'wording'];
const INNER = ['issuer', 'satisfied', 'decisions', 'id_tokens', 'dpop', 'assertions'];

for (const file of INNER) {
  run(file, 50, (input) => JSON.parse(testing.vector(file, JSON.stringify(input))));
}

test('every file of vectors is run', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
  // forms.test.mts covers forms.json and its schema.
  assert.deepEqual(
    files.map((name) => name.replace('.json', '')).sort(),
    [...OWN, ...INNER, 'forms', 'forms.schema'].sort(),
  );
});
