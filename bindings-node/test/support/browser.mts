import type { AuthorizationRequest } from 'mcp-reauth';

import { type Form, readPage } from './page.mjs';
import { Person } from './person.mjs';

/** The name the user signs in with. */
export const USER = 'alice';
/** The limit of pages and redirects in one visit. */
const LIMIT = 20;

interface Cookie {
  host: string;
  path: string;
  name: string;
  value: string;
}

/** Cookies (RFC 6265), as far as local servers use them. */
class Cookies {
  #kept: Cookie[] = [];

  keep(line: string, from: URL): void {
    const [pair = '', ...rest] = line.split(';').map((part) => part.trim());
    const [name, value] = divide(pair);
    const attributes = new Map(rest.map((part) => divide(part)).map(([name, value]) => [name.toLowerCase(), value]));
    for (const unknown of ['domain', 'secure']) {
      if (attributes.has(unknown)) throw new Error(`a cookie with ${unknown}: ${line}`);
    }
    const given = attributes.get('path') ?? '';
    const path = given.startsWith('/') ? given : from.pathname.slice(0, from.pathname.lastIndexOf('/')) || '/';
    const cookie = { host: from.hostname, path, name, value };
    this.#kept = this.#kept.filter((kept) => !(kept.host === cookie.host && kept.path === path && kept.name === name));
    const expires = attributes.get('expires');
    const maxAge = attributes.get('max-age');
    const isOver = maxAge === undefined ? Date.parse(expires ?? '') <= Date.now() : Number(maxAge) <= 0;
    if (!isOver) this.#kept.push(cookie);
  }

  for({ hostname, pathname }: URL): string {
    const isWithin = (path: string) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
    const sent = this.#kept.filter(({ host, path }) => host === hostname && isWithin(path));
    return sent.map(({ name, value }) => `${name}=${value}`).join('; ');
  }
}

function divide(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/**
 * A user with a browser that keeps its cookies. The user reads pages, fills in forms, and agrees or declines on consent
 * pages.
 */
export class Reader extends Person {
  /** Whether the user declines on consent pages. */
  declines = false;
  /** Whether the last page led nowhere. */
  gaveUp = false;
  readonly #cookies = new Cookies();
  #saw: string[] = [];

  override async authorize(request: AuthorizationRequest): Promise<URL> {
    this.pages.push(request);
    this.gaveUp = true;
    const callback = await this.#visit(new URL(request.url), new URL(request.redirectUri));
    this.gaveUp = false;
    return callback;
  }

  /** The headings of the pages since the last call. */
  saw(): string[] {
    const saw = this.#saw;
    this.#saw = [];
    return saw;
  }

  /** Follows the pages' instructions up to the redirect to the callback, which is not followed. */
  async #visit(address: URL, callback: URL): Promise<URL> {
    let here = address;
    let form: URLSearchParams | undefined;
    for (let steps = 0; steps < LIMIT; steps++) {
      const response = await this.#request(here, form);
      form = undefined;
      const text = await response.text();
      const location = response.headers.get('location');
      if (response.status === 302 || response.status === 303) {
        if (location === null) throw new Error(`${here}: a redirect to nowhere`);
        here = new URL(location, here);
        if (here.origin === callback.origin && here.pathname === callback.pathname) return here;
        continue;
      }
      if (response.status !== 200) throw new Error(`${here}: ${response.status} ${text}`);
      ({ address: here, form } = this.#answer(here, text));
    }
    throw new Error(`${address}: a person loses patience after ${LIMIT} pages and redirects`);
  }

  async #request(url: URL, form: URLSearchParams | undefined): Promise<Response> {
    const headers = { cookie: this.#cookies.for(url), 'user-agent': 'Mozilla/5.0' };
    const how = form ? { method: 'POST', body: form } : {};
    const response = await fetch(url, { ...how, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) this.#cookies.keep(line, url);
    return response;
  }

  #answer(here: URL, html: string): { address: URL; form: URLSearchParams | undefined } {
    const { heading, form, links } = readPage(html);
    this.#saw.push(heading);
    if (!form) throw new Error(`${here}: a page without a form: ${heading}`);
    if (!this.declines || heading !== 'Authorize') return { address: new URL(form.action, here), form: filled(form) };
    const cancel = links.find(({ text }) => text.includes('Cancel'));
    if (!cancel) throw new Error(`${here}: no way out`);
    return { address: new URL(cancel.href, here), form: undefined };
  }
}

function filled(form: Form): URLSearchParams {
  const fields = new URLSearchParams();
  for (const { name, type, value } of form.inputs) {
    if (type === 'hidden') fields.append(name, value);
    else if (type === 'text') fields.append(name, USER);
    else if (type === 'password') fields.append(name, 'correct horse');
    else throw new Error(`what to put into a field of type ${type}?`);
  }
  const agree = form.buttons.find(({ name }) => name !== '');
  if (agree) fields.append(agree.name, agree.value);
  return fields;
}
