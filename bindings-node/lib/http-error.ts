import { ReauthError } from './error.js';
import { displayable, failureDetail } from './wording.js';

/** The error of a failed HTTP exchange, as in core. Leaves out the query of `url`, which may hold a secret. */
export function httpError(url: string, detail: string): ReauthError {
  const shown = withoutSecrets(url);
  const message = displayable(`The request to ${shown} failed: ${detail}`);
  return new ReauthError('http', message, {
    sentence: failureDetail(message),
    url: shown,
    detail: displayable(detail),
  });
}

/** Removes user name, password, query and fragment from an address. */
export function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return 'an invalid URL';
  const { origin, protocol, host, pathname } = new URL(url);
  return `${origin === 'null' ? `${protocol}//${host}` : origin}${pathname}`;
}
