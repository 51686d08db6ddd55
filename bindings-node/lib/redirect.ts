/** Detects responses from another origin, after a redirect that `fetch` followed. */

import type { ReauthError } from './error.js';
import { httpError, withoutSecrets } from './http-error.js';

const originOf = (url: string) => (URL.canParse(url) ? new URL(url).origin : undefined);

/** Whether a response came from another origin than the requested one. */
export function isOfAnotherOrigin(response: { url?: unknown }, url: string): boolean {
  const { url: from } = response;
  return typeof from === 'string' && from !== url && from !== '' && originOf(from) !== originOf(url);
}

/** The error for a response from another origin, whose challenge is not the server's. */
export function ofAnotherOrigin(url: string): ReauthError {
  return httpError(url, 'another origin responded in its place, after a redirect that was followed');
}

/** Describes the address that a redirect led to although `fetch` was told not to follow it. */
export function followedAnyway(response: Response, url: string): string | undefined {
  if (!response.redirected && !isOfAnotherOrigin(response, url)) return undefined;
  const from = response.url ? withoutSecrets(response.url) : 'another address';
  return `${from} responded in its place: fetch followed a redirect that it was told not to follow`;
}
