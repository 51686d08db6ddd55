import { tell } from './tell.mjs';

let pages = 0;

/** The user of one session: reads the pages they are sent to, and agrees to everything that the servers allow. */
export class User {
  redirectUri = 'http://127.0.0.1:9/callback';
  deliberate = false;
  #session;
  #question;

  constructor({ session, question }) {
    this.#session = session;
    this.#question = question;
  }

  async confirmStepUp(_request, { signal }) {
    const answer = await fetch(this.#question, { signal });
    await answer.arrayBuffer();
    return answer.ok;
  }

  async authorize({ url }, { signal }) {
    const { deliberate } = this;
    pages += 1;
    const page = { session: this.#session, page: pages, deliberate };
    tell({ told: 'page_opened', ...page, at: Date.now() });
    try {
      return await this.#visit(url, signal);
    } finally {
      tell({ told: 'page_closed', ...page, at: Date.now() });
    }
  }

  async #visit(url, signal) {
    const page = await fetch(url, { redirect: 'manual', signal });
    await page.arrayBuffer();
    if (page.status === 410) throw new DOMException('the page was closed', 'AbortError');
    const location = page.headers.get('location');
    if (!location) throw new Error(`the page is a ${page.status}`);
    return new URL(location);
  }
}
