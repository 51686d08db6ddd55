/** Responses of another origin than was asked, by way of a redirect that was followed. */

import type { ReauthError } from './error.js';
import { httpError, withoutSecrets } from './http-error.js';

const originOf = (url: string) => (URL.canParse(url) ? new URL(url).origin : undefined);

/** Whether another origin answered than was asked. */
export function isOfAnotherOrigin(response: { url?: unknown }, url: string): boolean {
  const { url: from } = response;
  return typeof from === 'string' && from !== url && from !== '' && originOf(from) !== originOf(url);
}

/** A response is from another origin than the server's. Its challenge is not the server's. */
export function ofAnotherOrigin(url: string): ReauthError {
  return httpError(url, 'another origin answered in its place, by way of a redirect that was followed');
}

/** What is wrong with a response that came by way of a redirect, though none was to be followed. */
export function followedAnyway(response: Response, url: string): string | undefined {
  if (!response.redirected && !isOfAnotherOrigin(response, url)) return undefined;
  const from = response.url ? withoutSecrets(response.url) : 'another address';
  return `${from} answered in its place: fetch followed a redirect that it was told not to follow`;
}
