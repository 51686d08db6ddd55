import { caught } from './bridge.js';
import { native } from './native.js';
import type { AuthChallenge } from './types.js';

/** What went wrong; the same in every language. `internal` is a defect of this package. */
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

/** The facts of an error: from them, and its code, an application can make sentences of its own, in another language. */
export interface ErrorFacts {
  /** The MCP server that it is about. */
  server?: string;
  /** The authorization server or identity provider that it is about. */
  issuer?: string;
  /** The address that it is about. */
  url?: string;
  /** The scopes that are missing. */
  scopes?: string[];
  /** What happened, without the words around it. */
  detail?: string;
  /** What the server asked for. */
  challenge?: AuthChallenge;
  /** Where the person has to go. */
  authorizationUrl?: string;
  /** How many seconds a server asked to wait. */
  retryAfter?: number;
}

/** What an error tells besides its code and message. */
export interface ErrorDetails extends Partial<{ [Fact in keyof ErrorFacts]: ErrorFacts[Fact] | undefined }> {
  sentence?: string | undefined;
  /** What the application's own part threw. */
  cause?: unknown;
}

/** An error in its JSON form, which is the same in every language. */
export interface ErrorForm extends ErrorFacts {
  code: ErrorCode;
  /** What happened, where, and what to do next: for a log. */
  message: string;
  /** The same, in words for a person. */
  sentence: string;
}

/** The facts that are printed with an error, besides its message. */
const PRINTED = ['challenge', 'authorizationUrl', 'retryAfter'] as const;
const FACTS = ['server', 'issuer', 'url', 'scopes', 'detail', ...PRINTED] as const;

/** What is said of an error, and not what all objects inherit. */
const ownOf = (more: ErrorDetails): ErrorDetails => Object.assign(Object.create(null), more);

/** The mark by which the official SDK passes errors of authorization on as they are, while it negotiates a version. */
const SDK_PASSES_ON = Symbol.for('mcp.authSeamEscape');

/**
 * Why authorization could not be recovered, or a call could not be carried out.
 *
 * `code` is stable; `message` says what happened, to which server, and what to do next, for a log; `sentence` says it
 * to a person. No part of it holds a secret.
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
  /** What the server asked for, where that is behind it: the scopes, metadata address and words tell what it would take. */
  declare readonly challenge: AuthChallenge | undefined;
  /** The same, in words for a person. */
  declare readonly sentence: string;
  /** The MCP server that it is about. */
  declare readonly server: string | undefined;
  /** The authorization server or identity provider that it is about. */
  declare readonly issuer: string | undefined;
  /** The address that it is about. */
  declare readonly url: string | undefined;
  /** The scopes that are missing. */
  declare readonly scopes: readonly string[] | undefined;
  /** What happened, without the words around it: for words of your own, in another language. */
  declare readonly detail: string | undefined;
  /** Where the person has to go (`interaction_required`): their callback is for `completeAuthorization`. */
  declare readonly authorizationUrl: string | undefined;
  /** How many seconds the server asked to wait (`refresh_unavailable`). */
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

  /** The form that other programs read: all that it tells, without its cause. */
  toJSON(): ErrorForm {
    const { code, message, sentence } = this;
    const known = FACTS.filter((name) => Object.hasOwn(this, name));
    return { code, message, sentence, ...Object.fromEntries(known.map((name) => [name, this[name]])) };
  }
}

/** An error as the native part tells of it. */
export interface Failure extends Omit<ErrorDetails, 'cause'> {
  code: ErrorCode;
  message: string;
  /** The number of the exception behind it. */
  thrown?: number;
}

export function errorOf({ code, message, thrown, ...more }: Failure): ReauthError {
  const cause = thrown === undefined ? {} : caught(thrown);
  return new ReauthError(code, message, { ...more, ...cause });
}

/** What an operation of the native part came to; its error is thrown. */
export function unwrap<T>(answer: string): T {
  const { ok, error } = JSON.parse(answer) as { ok: T; error?: Failure };
  if (error) throw errorOf(error);
  return ok;
}

/** A `config` error, in the words that every language has for it. `cause` is what was thrown when the option was looked at. */
export function misconfigured(detail: string, ...causes: unknown[]): ReauthError {
  const { error } = JSON.parse(native.misconfigured(detail)) as { error: ErrorForm };
  const { code, message, ...more } = error;
  return new ReauthError(code, message, causes.length > 0 ? { ...more, cause: causes[0] } : more);
}

/** Whether something that was thrown is one of ours, whatever it is. */
export function isReauthError(error: unknown): error is ReauthError {
  try {
    return error instanceof ReauthError;
  } catch {
    return false;
  }
}

/** What everything but closing comes to after a session was closed. */
export function closed(): ReauthError {
  return new ReauthError('cancelled', 'The session is closed. Open another to go on.');
}
