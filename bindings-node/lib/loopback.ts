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
  const { openBrowser = true, assumeYes = false, ...others } = check(options, OPTIONS);
  // What a worker prints goes to the terminal as well, and nothing of what is typed there comes to it.
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

/** Where the native part shows lines and asks questions. */
class Terminal implements Callee {
  readonly place = new Place(this);
  readonly scope = new AsyncResource('loopbackHost');

  /** It is found while it may be used. */
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
  // The terminal itself edits the line, so that Ctrl-C ends the program as ever.
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    return await Promise.race([lines.question(question, { signal }), ended]);
  } finally {
    lines.close();
  }
}
