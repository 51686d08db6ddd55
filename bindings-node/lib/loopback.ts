import { createInterface } from 'node:readline/promises';

import { check, FLAG, REDIRECT_URI } from './check.js';
import { ReauthError } from './error.js';
import type { AuthHost, HostContext } from './host.js';
import { toJson } from './json.js';
import { native } from './native.js';
import { stoppable } from './stoppable.js';
import type { StepUpRequest } from './types.js';
import { organizationStepUpBody, stepUpBody, stepUpTitle } from './wording.js';

/** How {@link loopbackHost} behaves. */
export interface LoopbackOptions {
  /** Where callbacks come (default `http://127.0.0.1:6276/oauth/callback`); port 0 means any free port. */
  redirectUri?: string | URL | undefined;
  /** Whether to open the system's browser (default yes; it honours `BROWSER`), or only print the address. */
  openBrowser?: boolean | undefined;
  /** Whether to agree to every step-up without asking (default no). */
  assumeYes?: boolean | undefined;
}

/**
 * The host of programs at a terminal: asks there, opens the browser, and receives the callback on loopback (RFC 8252
 * section 7.3). All it prints goes to standard error. A program with a window of its own takes parts of it:
 *
 * ```ts
 * const host = { ...loopbackHost(), confirmStepUp: (request) => myDialog(request) }
 * ```
 */
export function loopbackHost(options: LoopbackOptions = {}): Required<AuthHost> & {
  redirectUri: (context: HostContext) => Promise<string>;
} {
  const { redirectUri, openBrowser = true, assumeYes = false } = check(options, OPTIONS);
  const loopback = new native.Loopback(redirectUri, openBrowser);
  return {
    redirectUri: ({ signal }) => stoppable(signal, (cancel) => loopback.redirectUri(cancel)),
    authorize: (request, { signal }) =>
      stoppable<string>(signal, (cancel) => loopback.authorize(toJson(request, 'the request'), cancel)),
    confirmStepUp: (request, { signal }) => oneAtATime(() => confirm(request, assumeYes, signal)),
  };
}

const OPTIONS = { redirectUri: REDIRECT_URI, openBrowser: FLAG, assumeYes: FLAG };

let last: Promise<unknown> = Promise.resolve();

/** There is one terminal: what is typed answers the question that stands there, and no other. */
function oneAtATime<T>(ask: () => Promise<T>): Promise<T> {
  const answered = last.then(ask);
  last = answered.catch(() => {});
  return answered;
}

async function confirm(request: StepUpRequest, assumeYes: boolean, signal: AbortSignal): Promise<boolean> {
  signal.throwIfAborted();
  process.stderr.write(`${questionOf(request)}\n`);
  return assumeYes || ask('Go on? [y/N] ', signal);
}

function questionOf({ server, challenge, newScopes, identityProvider }: StepUpRequest): string {
  const body = identityProvider === undefined ? stepUpBody : organizationStepUpBody;
  return `${stepUpTitle(challenge)}: ${body(server, challenge, newScopes)}`;
}

async function ask(question: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new ReauthError('host', 'there is no terminal to ask on; run it in a terminal, or set assumeYes');
  }
  // The terminal itself edits the line, so that Ctrl-C ends the program as ever.
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    const answer = await Promise.race([lines.question(question, { signal }), ended]);
    return ['y', 'yes'].includes(answer.trim().toLowerCase());
  } finally {
    lines.close();
  }
}
