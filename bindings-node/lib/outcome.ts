import type { Failure, ReauthError } from './error.js';
import { errorOf } from './error.js';
import type { AuthChallenge } from './types.js';

/** How handling a challenge ended. */
export type Outcome =
  /** There is a credential that answers it: send the request again. */
  | { kind: 'satisfied' }
  /** Show what would be asked for, then come back with `confirmedStepUp`. */
  | { kind: 'step_up_confirm'; challenge: AuthChallenge }
  /**
   * A person is needed. With an address: they are on their way there, and the callback goes to
   * `completeAuthorization`. Without: nothing was started; hand the challenge in again when a caller waits.
   */
  | { kind: 'interactive'; authorizationUrl?: string; state?: string; challenge: AuthChallenge }
  /** It could not be answered. */
  | { kind: 'failed'; error: ReauthError };

export type NativeOutcome = Exclude<Outcome, { kind: 'failed' }> | { kind: 'failed'; error: Failure };

export function outcomeOf(outcome: NativeOutcome): Outcome {
  return outcome.kind === 'failed' ? { kind: 'failed', error: errorOf(outcome.error) } : outcome;
}
