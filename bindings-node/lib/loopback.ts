import { AsyncResource } from 'node:async_hooks';
import { createInterface } from 'node:readline/promises';
import { isatty } from 'node:tty';
import { isMainThread } from 'node:worker_threads';

import { bridge, type CallContext, type Callee, Place } from './bridge.js';
import { ADDRESS, check, FLAG } from './check.js';
import { unwrap } from './error.js';
import type { AuthHost, RedirectContext } from './host.js';
import { toJson } from './json.js';
import { native } from './native.js';
import { stoppable } from './stoppable.js';

/** The options of {@link loopbackHost}. */
export interface LoopbackOptions {
  /**
   * The redirect URI; port 0 means any free port. By default `http://127.0.0.1:6276/oauth/callback`, or a free port if
   * that one is taken and the client is not pre-registered.
   */
  redirectUri?: string | URL | undefined;
  /** Whether to open the system's browser (default `true`; respects `BROWSER`), or only print the address. */
  openBrowser?: boolean | undefined;
  /** Whether to agree to every step-up without asking (default `false`). */
  assumeYes?: boolean | undefined;
}

/**
 * The host for terminal programs: asks on the terminal, opens the browser, and receives the callback on loopback (RFC
 * 8252 section 7.3). It prints to standard error only. A program with its own user interface can use parts of it:
 *
 * ```ts
 * const host = { ...loopbackHost(), confirmStepUp: (request) => myDialog(request) }
 * ```
 */
export function loopbackHost(options: LoopbackOptions = {}): Required<AuthHost> & {
  redirectUri: (context: RedirectContext) => Promise<string>;
} {
  const { openBrowser = true, assumeYes = false, ...others } = check(options, OPTIONS);
  // A worker's output reaches the terminal, but input from the terminal does not reach a worker.
  const isTerminal = isMainThread && isatty(0) && isatty(2);
  const all = { openBrowser, assumeYes, ...others, isTerminal, withoutTerminal: WITHOUT_TERMINAL };
  const terminal = new Terminal();
  const loopback = native.Loopback.open(toJson(all, 'the options'), bridge, terminal.place.id);
  if (typeof loopback === 'string') return unwrap(loopback);
  return {
    redirectUri: ({ signal, registered }) =>
      stoppable(signal, (cancel) => loopback.redirectUri(registered === true, cancel)),
    authorize: (request, { signal }) =>
      terminal.while(stoppable<string>(signal, (cancel) => loopback.authorize(toJson(request, 'the request'), cancel))),
    signInElsewhere: (server) => terminal.while(loopback.signInElsewhere(server)),
    confirmStepUp: (request, { signal }) =>
      terminal.while(
        stoppable<boolean>(signal, (cancel) => loopback.confirmStepUp(toJson(request, 'the request'), cancel)),
      ),
  };
}

const OPTIONS = { redirectUri: ADDRESS, openBrowser: FLAG, assumeYes: FLAG };

const WITHOUT_TERMINAL = 'run it in a terminal, or give loopbackHost({ assumeYes: true })';

/** The terminal, on which the native part prints lines and asks questions. */
class Terminal implements Callee {
  readonly place = new Place(this);
  readonly scope = new AsyncResource('loopbackHost');

  /** Keeps the terminal alive while it is in use. */
  async while<T>(using: Promise<T>): Promise<T> {
    this.place.hold();
    try {
      return await using;
    } finally {
      this.place.letGo();
    }
  }

  call(_method: string, input: unknown, { signal }: CallContext): Promise<string> {
    return ask((input as { question: string }).question, signal);
  }

  unheard(): void {}

  tell(_method: string, input: unknown): void {
    process.stderr.write(`${(input as { line: string }).line}\n`);
  }
}

async function ask(question: string, signal: AbortSignal): Promise<string> {
  // The terminal driver edits the line, so that Ctrl-C ends the program as usual.
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    return await Promise.race([lines.question(question, { signal }), ended]);
  } finally {
    lines.close();
  }
}
