/**
 * Redirects of requests to the MCP server: followed within its origin, by 307 and 308, a few of them. Whatever else
 * would be followed takes the MCP session's id, the message or the credential elsewhere, or changes the method.
 */

import type { ReauthError } from './error.js';
import { httpError, withoutSecrets } from './http-error.js';

/** How many redirects of one request are followed. */
export const MAX_REDIRECTS = 5;

/** The statuses that `fetch` follows. */
const REDIRECTS = [301, 302, 303, 307, 308];
/** Those of them that keep method and body. */
const KEEPING = [307, 308];

const originOf = (url: string) => (URL.canParse(url) ? new URL(url).origin : undefined);

/** Whether a response is a redirect, also one that the platform does not let us look at. */
export function isRedirect({ status, type }: Response): boolean {
  return type === 'opaqueredirect' || REDIRECTS.includes(status);
}

/** Where a redirect points that may be followed. */
export function redirectTarget(url: string, response: Response): string | undefined {
  const target = locationOf(url, response);
  if (!target || !KEEPING.includes(response.status)) return undefined;
  const hasUser = target.username !== '' || target.password !== '';
  return target.origin === originOf(url) && !hasUser ? target.href : undefined;
}

function locationOf(url: string, response: Response): URL | undefined {
  const location = response.headers.get('location');
  return location !== null && URL.canParse(location, url) ? new URL(location, url) : undefined;
}

/** Why a redirect is not followed. */
export function notFollowed(url: string, response: Response): ReauthError {
  const target = locationOf(url, response);
  const where = target ? withoutSecrets(target.href) : 'nowhere';
  return httpError(url, `it redirects to ${where}, which is not followed (HTTP status ${response.status})`);
}

/** Whether another origin answered than was asked. */
export function isOfAnotherOrigin(response: { url?: unknown }, url: string): boolean {
  const { url: from } = response;
  return typeof from === 'string' && from !== '' && originOf(from) !== originOf(url);
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
