import { createInterface } from 'node:readline/promises';

import { check, FLAG, type Kind, REDIRECT_URI } from './check.js';
import { hostFailed } from './error.js';
import type { AuthHost, RedirectContext } from './host.js';
import { toJson } from './json.js';
import { native } from './native.js';
import { stoppable } from './stoppable.js';
import type { AuthorizationRequest, StepUpRequest } from './types.js';
import { inProgressElsewhere, organizationStepUpBody, stepUpBody, stepUpTitle } from './wording.js';

/** How {@link loopbackHost} behaves. */
export interface LoopbackOptions {
  /**
   * Where callbacks come; port 0 means any free port. By default `http://127.0.0.1:6276/oauth/callback`, or, when its
   * port is taken and the client is not registered beforehand, a free port.
   */
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
  redirectUri: (context: RedirectContext) => Promise<string>;
} {
  const { redirectUri, openBrowser = true, assumeYes = false } = check(options, OPTIONS);
  const loopback = new native.Loopback(redirectUri, openBrowser);
  const visit = (request: AuthorizationRequest, signal: AbortSignal) =>
    stoppable<string>(signal, (cancel) => loopback.authorize(toJson(request, 'the request'), cancel));
  return {
    redirectUri: ({ signal, registered }) =>
      stoppable(signal, (cancel) => loopback.redirectUri(registered === true, cancel)),
    authorize: (request, { signal }) => visit(request, signal),
    signInElsewhere: (server) => {
      process.stderr.write(`${inProgressElsewhere(server)}\n`);
    },
    confirmStepUp: (request, { signal }) => oneAtATime(TERMINAL, () => confirm(request, assumeYes, signal)),
  };
}

const LOOPBACK_URI: Kind<string> = {
  what: 'http on this machine, such as http://127.0.0.1:0/oauth/callback',
  read(value) {
    const address = REDIRECT_URI.read(value);
    if (address === undefined) return undefined;
    const { protocol, hostname } = new URL(address);
    const isHere = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(hostname);
    return protocol === 'http:' && isHere ? address : undefined;
  },
};

const OPTIONS = { redirectUri: LOOPBACK_URI, openBrowser: FLAG, assumeYes: FLAG };

/** There is one terminal: what is typed answers the question that stands there, and no other. */
const TERMINAL = 'the terminal';

/** Who uses what there is one of in this program, and waits for it: the terminal. */
const turns = new Map<string, Promise<unknown>>();

async function oneAtATime<T>(what: string, use: () => Promise<T>): Promise<T> {
  const turn = (turns.get(what) ?? Promise.resolve()).then(use);
  const over = turn.catch(() => {});
  turns.set(what, over);
  try {
    return await turn;
  } finally {
    if (turns.get(what) === over) turns.delete(what);
  }
}

async function confirm(request: StepUpRequest, assumeYes: boolean, signal: AbortSignal): Promise<boolean> {
  signal.throwIfAborted();
  if (!assumeYes && !(process.stdin.isTTY && process.stderr.isTTY)) {
    const advice = 'run it in a terminal, or give loopbackHost({ assumeYes: true })';
    throw hostFailed(`there is no terminal to ask on; ${advice}`);
  }
  process.stderr.write(`${questionOf(request)}\n`);
  return assumeYes || ask('Go on? [y/N] ', signal);
}

function questionOf({ server, challenge, newScopes, identityProvider }: StepUpRequest): string {
  const body = identityProvider === undefined ? stepUpBody : organizationStepUpBody;
  return `${stepUpTitle(challenge)}: ${body(server, challenge, newScopes)}`;
}

async function ask(question: string, signal: AbortSignal): Promise<boolean> {
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
