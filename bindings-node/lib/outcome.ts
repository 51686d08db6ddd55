import type { Failure, ReauthError } from './error.js';
import { errorOf } from './error.js';
import type { AuthChallenge } from './types.js';

/** The result of handling a challenge. */
export type Outcome =
  /** A credential satisfies the challenge: send the request again. */
  | { kind: 'satisfied' }
  /** Show the user what would be requested, then call again with `confirmedStepUp`. */
  | { kind: 'step_up_confirm'; challenge: AuthChallenge }
  /**
   * The user is needed. With `authorizationUrl`: the user was sent there; pass the callback to `completeAuthorization`.
   * Without: nothing was started; handle the challenge again when a caller waits.
   */
  | { kind: 'interactive'; authorizationUrl?: string; state?: string; challenge: AuthChallenge }
  /** The challenge could not be satisfied. */
  | { kind: 'failed'; error: ReauthError };

export type NativeOutcome = Exclude<Outcome, { kind: 'failed' }> | { kind: 'failed'; error: Failure };

export function outcomeOf(outcome: NativeOutcome): Outcome {
  return outcome.kind === 'failed' ? { kind: 'failed', error: errorOf(outcome.error) } : outcome;
}
