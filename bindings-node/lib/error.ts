import { caught } from './bridge.js';
import { native } from './native.js';
import type { AuthChallenge } from './types.js';

/** Error codes, the same in every language. `internal` is a defect of this package. */
export type ErrorCode =
  | 'insufficient_scope'
  | 'consent_denied'
  | 'scope_not_granted'
  | 'step_up_limit'
  | 'interaction_required'
  | 'unauthorized'
  | 'refresh_unavailable'
  | 'refresh_rejected'
  | 'issuer_mismatch'
  | 'state_mismatch'
  | 'authorization_denied'
  | 'resource_mismatch'
  | 'metadata_invalid'
  | 'pkce_unsupported'
  | 'registration_rejected'
  | 'insecure_endpoint'
  | 'blocked_endpoint'
  | 'policy_denied'
  | 'id_token_invalid'
  | 'enterprise_not_configured'
  | 'enterprise_disabled'
  | 'cancelled'
  | 'timeout'
  | 'store'
  | 'http'
  | 'host'
  | 'config'
  | 'internal';

/** The facts of an error, from which an application can build its own messages, for example in another language. */
export interface ErrorFacts {
  /** The MCP server concerned. */
  server?: string;
  /** The authorization server or identity provider concerned. */
  issuer?: string;
  /** The address concerned. */
  url?: string;
  /** The missing scopes. */
  scopes?: string[];
  /** What happened, without the rest of the message. */
  detail?: string;
  /** What the server asked for. */
  challenge?: AuthChallenge;
  /** The page that the user must visit. */
  authorizationUrl?: string;
  /** The server's `Retry-After`, in seconds. */
  retryAfter?: number;
}

/** The facts of an error besides its code and message. */
export interface ErrorDetails extends Partial<{ [Fact in keyof ErrorFacts]: ErrorFacts[Fact] | undefined }> {
  sentence?: string | undefined;
  /** The exception that the application's own code threw. */
  cause?: unknown;
}

/** The JSON form of an error, the same in every language. */
export interface ErrorForm extends ErrorFacts {
  code: ErrorCode;
  /** What happened, where, and what to do next: for a log. */
  message: string;
  /** The same, for the user. */
  sentence: string;
}

/** The facts that are printed with an error, in addition to its message. */
const PRINTED = ['challenge', 'authorizationUrl', 'retryAfter'] as const;
const FACTS = ['server', 'issuer', 'url', 'scopes', 'detail', ...PRINTED] as const;

/** Copies the facts to an object without a prototype. */
const ownOf = (more: ErrorDetails): ErrorDetails => Object.assign(Object.create(null), more);

/** The SDK passes errors with this mark on unchanged while it negotiates a version. */
const SDK_PASSES_ON = Symbol.for('mcp.authSeamEscape');

/**
 * Why authorization could not be recovered, or an operation failed.
 *
 * `code` is stable; `message` says what happened, at which server, and what to do next, for a log; `sentence` says it
 * to the user. None of them holds a secret.
 *
 * ```ts
 * try {
 *   await client.callTool({ name: 'write_note' })
 * } catch (error) {
 *   if (error instanceof ReauthError && error.code === 'consent_denied') return
 *   throw error
 * }
 * ```
 */
export class ReauthError extends Error {
  static {
    ReauthError.prototype.name = 'ReauthError';
    Object.defineProperty(ReauthError.prototype, SDK_PASSES_ON, { value: true });
  }

  /** What went wrong. */
  readonly code: ErrorCode;
  /** The server's challenge, if there was one: it says which scopes the server requires, and why. */
  declare readonly challenge: AuthChallenge | undefined;
  /** The message for the user. */
  declare readonly sentence: string;
  /** The MCP server concerned. */
  declare readonly server: string | undefined;
  /** The authorization server or identity provider concerned. */
  declare readonly issuer: string | undefined;
  /** The address concerned. */
  declare readonly url: string | undefined;
  /** The missing scopes. */
  declare readonly scopes: readonly string[] | undefined;
  /** What happened, without the rest of the message: for your own messages, for example in another language. */
  declare readonly detail: string | undefined;
  /** The page that the user must visit (`interaction_required`). Pass its callback to `completeAuthorization`. */
  declare readonly authorizationUrl: string | undefined;
  /** The server's `Retry-After`, in seconds (`refresh_unavailable`). */
  declare readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, more: ErrorDetails = {}) {
    super(message, Object.hasOwn(more, 'cause') ? { cause: more.cause } : undefined);
    const details = ownOf(more);
    const { sentence = message } = details;
    Object.defineProperty(this, 'sentence', { value: sentence });
    this.code = code;
    for (const name of FACTS) {
      const value = details[name];
      if (value === undefined) continue;
      const enumerable = (PRINTED as readonly string[]).includes(name);
      Object.defineProperty(this, name, { value, enumerable });
    }
  }

  /** The JSON form: everything except the cause. */
  toJSON(): ErrorForm {
    const { code, message, sentence } = this;
    const known = FACTS.filter((name) => Object.hasOwn(this, name));
    return { code, message, sentence, ...Object.fromEntries(known.map((name) => [name, this[name]])) };
  }
}

/** An error in an answer of the native part. */
export interface Failure extends Omit<ErrorDetails, 'cause'> {
  code: ErrorCode;
  message: string;
  /** The number of the application's exception behind it. */
  thrown?: number;
}

export function errorOf({ code, message, thrown, ...more }: Failure): ReauthError {
  const cause = thrown === undefined ? {} : caught(thrown);
  return new ReauthError(code, message, { ...more, ...cause });
}

/** Returns the value of a native answer, or throws its error. */
export function unwrap<T>(answer: string): T {
  const { ok, error } = JSON.parse(answer) as { ok: T; error?: Failure };
  if (error) throw errorOf(error);
  return ok;
}

/** Builds a `config` error with core's wording. `cause` is what was thrown when the option was read. */
export function misconfigured(detail: string, ...causes: unknown[]): ReauthError {
  const { error } = JSON.parse(native.misconfigured(detail)) as { error: ErrorForm };
  const { code, message, ...more } = error;
  return new ReauthError(code, message, causes.length > 0 ? { ...more, cause: causes[0] } : more);
}

/** Whether a thrown value of any type is a `ReauthError`. */
export function isReauthError(error: unknown): error is ReauthError {
  try {
    return error instanceof ReauthError;
  } catch {
    return false;
  }
}

/** The error of every operation on a closed session except `close`. */
export function closed(): ReauthError {
  return new ReauthError('cancelled', 'The session is closed. Open another to continue.');
}
