import { setTimeout as sleep } from 'node:timers/promises';

import { AuthSession, FileStore, ReauthError } from '../../../bindings-node/dist/index.mjs';
import { tell } from './tell.mjs';
import { User } from './user.mjs';

/** The tools, and their shares of the calls in percent. Every grant suffices for the first. */
const TOOLS = [
  ['echo', 85],
  ['write_note', 7],
  ['delete_note', 4],
  ['transfer', 4],
];
/** A call that takes longer hangs. */
const FOR_EVER = 300_000;

const EVENTS = [
  'challenged',
  'renewed',
  'adopted',
  'renewal_failed',
  'consent_asked',
  'authorization_started',
  'authorized',
  'interaction_required',
  'signed_out',
];

/** A pseudorandom generator (mulberry32): the same seed gives the same numbers. */
function random(seed) {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** The error of a failed call. */
class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** A session that makes calls. */
export class Caller {
  #session;
  #user;
  #common;
  #below;
  #underWay = new Set();

  static async open(task, { session: number, profile, url, question }, common) {
    const user = new User({ session: number, question });
    const session = await AuthSession.open({
      serverUrl: url,
      clientName: 'soak',
      profile,
      store: new FileStore(task.store),
      policy: { interactionTimeoutMs: task.interactionTimeoutMs },
      host: user,
    });
    for (const name of EVENTS) {
      session.addEventListener(name, () => tell({ told: 'event', session: number, name }));
    }
    return new Caller(number, session, user, common, random(task.seed + number));
  }

  constructor(number, session, user, common, below) {
    this.number = number;
    this.#session = session;
    this.#user = user;
    this.#common = common;
    this.#below = below;
  }

  /** Makes calls until it is paused, one after the other, and sometimes several at once. */
  async goOn() {
    while (!this.#common.paused) {
      const atOnce = this.#below(100) < 8 ? 4 : 1;
      let number = this.#below(100);
      const tool = TOOLS.find(([, share]) => {
        number -= share;
        return number < 0;
      })[0];
      await Promise.all(Array.from({ length: atOnce }, () => this.#call(tool, false)));
      await sleep(150 + this.#below(600));
    }
  }

  async quiet() {
    await Promise.all(this.#underWay);
  }

  /** Makes the first call after all faults are lifted. */
  async check() {
    await this.#call('echo', true);
  }

  /** Makes one call and reports the result. */
  #call(tool, check) {
    const call = this.#told(tool, check);
    this.#underWay.add(call);
    return call.finally(() => this.#underWay.delete(call));
  }

  async #told(tool, check) {
    const began = Date.now();
    const call = { told: 'call', session: this.number, what: tool, began, check, code: null, detail: null };
    const stop = new AbortController();
    const limit = setTimeout(() => stop.abort(new Failure('endless', 'it never ended')), FOR_EVER);
    const signal = AbortSignal.any([stop.signal, this.#common.cancel.signal]);
    try {
      await this.#answer(tool, signal);
    } catch (error) {
      call.code = codeOf(error, signal);
      call.detail = String(error?.message);
    }
    clearTimeout(limit);
    tell({ ...call, ended: Date.now() });
  }

  async #answer(tool, signal) {
    const answer = await this.#session.fetch(this.#session.serverUrl, {
      method: 'POST',
      redirect: 'manual',
      signal,
      headers: {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': tool,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: {
          name: tool,
          arguments: { text: 'hello' },
          _meta: {
            'io.modelcontextprotocol/protocolVersion': '2026-07-28',
            'io.modelcontextprotocol/clientInfo': { name: 'soak', version: '0' },
            'io.modelcontextprotocol/clientCapabilities': {},
          },
        },
      }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Failure(`status_${answer.status}`, 'it was handed through');
    if (text.includes('mcp/www_authenticate')) throw new Failure('tool_error', 'the challenge is in the result');
    if (!text.includes('hello')) throw new Failure('garbled', 'there is no result in it');
  }

  async signOut() {
    // The session forgets tokens that cannot be revoked.
    await this.#session.signOut().catch(() => {});
  }

  async signIn() {
    this.#user.deliberate = true;
    await this.#session.signIn({ again: true }).catch(() => {});
    this.#user.deliberate = false;
  }

  /** Closes the session, and waits until pending tokens are stored. */
  async end() {
    await this.#session.close();
  }
}

/** The product's error code, or one of the worker's own. */
function codeOf(error, signal) {
  if (error instanceof Failure) return error.code;
  if (signal.aborted) return 'given_up';
  if (error instanceof ReauthError) return error.code;
  return 'transport';
}
