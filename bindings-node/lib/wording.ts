/** Sentences that a program may show, so that web, terminal and mobile say the same. */

import { wordsOf } from './describe.js';
import { isReauthError, unwrap } from './error.js';
import { fetchFailure } from './fetch-failure.js';
import { toJson } from './json.js';
import { native } from './native.js';
import type { Scopes } from './scope.js';
import { scopeList } from './scope.js';
import type { AuthChallenge, Operation } from './types.js';

function say(sentence: string, parts: object = {}): string {
  return unwrap(native.sentence(toJson({ sentence, ...parts }, 'what the sentence is about')));
}

/** The title of a step-up question. */
export const stepUpTitle = (challenge: AuthChallenge): string => say('step_up_title', { challenge });

/** The body of a step-up question. `newScopes` are those not granted yet. */
export const stepUpBody = (server: string, challenge: AuthChallenge, newScopes: Scopes): string =>
  say('step_up_body', { server, challenge, newScopes: scopeList(newScopes) });

/** The body of a step-up question where an organization manages access and the user visits no page. */
export const organizationStepUpBody = (server: string, challenge: AuthChallenge, newScopes: Scopes): string =>
  say('organization_step_up_body', { server, challenge, newScopes: scopeList(newScopes) });

/** While the user is at the authorization server. */
export const inProgress = (server: string): string => say('in_progress', { server });

/** While the user is at the authorization server for another session or program. */
export const inProgressElsewhere = (server: string): string => say('in_progress_elsewhere', { server });

/** After an authorization. `newScopes` are those that a step-up added. */
export const success = (server: string, newScopes?: Scopes): string =>
  say('success', { server, newScopes: scopeList(newScopes) });

/** What happens to the interrupted operation. */
export const retryHint = (operation: Operation): string => say('retry_hint', { operation });

/** After the user declined, or closed the page. */
export const cancelled = (server: string): string => say('cancelled', { server });

/** After an authorization that granted fewer scopes than needed. `missing` are the lacking ones. */
export const notGranted = (server: string, missing: Scopes): string =>
  say('not_granted', { server, newScopes: scopeList(missing) });

/** When the credential is gone and cannot be renewed. */
export const sessionExpired = (server: string): string => say('session_expired', { server });

/** A banner for later: the user is needed, but no caller was waiting. */
export const reauthenticationBanner = (server: string, challenge: AuthChallenge): string =>
  say('reauthentication_banner', { server, challenge });

/** A callback that belongs to no pending authorization. */
export const lostAuthorizationState = (): string => say('lost_authorization_state');

/** A callback from an issuer that the user was not sent to. */
export const issuerMismatch = (): string => say('issuer_mismatch');

/** Explains a failure to the user, in one sentence. */
export function failure(error: unknown): string {
  return isReauthError(error) ? error.sentence : failureDetail(wordsOf(fetchFailure(error)));
}

/** The detail of a failure for the user: of a JSON document only its message. */
export const failureDetail = (detail: string): string => say('failure_detail', { detail });

/** Prepares text from a server for display: without terminal control characters, and bounded. */
export const displayable = (text: string): string => say('displayable', { text });
