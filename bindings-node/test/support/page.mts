/** What a user sees of a page: its heading, the form, and the links. */
export interface Page {
  heading: string;
  form: Form | undefined;
  links: Link[];
}

export interface Form {
  action: string;
  inputs: { name: string; type: string; value: string }[];
  /** The first button with a name agrees. */
  buttons: { name: string; value: string }[];
}

interface Link {
  href: string;
  text: string;
}

/** Comments, elements whose content is not text, tags, and the text between them. */
const TOKENS =
  /<!--[\s\S]*?-->|<!doctype[^>]*>|<(style|script)\b[^>]*>[\s\S]*?<\/\1\s*>|<(\/?)([a-z][a-z0-9]*)((?:"[^"]*"|'[^']*'|[^"'>])*)>|([^<]+)/giy;
const ATTRIBUTES = /([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/g;

/** Parses the subset of HTML that the authorization server's pages use, and rejects the rest. */
export function readPage(html: string): Page {
  const page: Page = { heading: '', form: undefined, links: [] };
  let within = '';
  let read = 0;
  for (const [token, , slash, tag, attributes, text] of html.matchAll(TOKENS)) {
    read += token.length;
    if (text !== undefined) {
      const link = page.links.at(-1);
      if (within === 'h1') page.heading += unescaped(text);
      else if (within === 'a' && link) link.text += unescaped(text);
    } else if (tag !== undefined) {
      within = slash ? '' : tag.toLowerCase();
      if (!slash) open(page, within, attributesOf(attributes ?? ''));
    }
  }
  if (read !== html.length) throw new Error(`this cannot be read: ${html.slice(read, read + 80)}`);
  return page;
}

function open(page: Page, tag: string, attributes: Map<string, string>): void {
  const attribute = (name: string) => attributes.get(name) ?? '';
  if (tag === 'a') page.links.push({ href: attribute('href'), text: '' });
  if (tag === 'form') {
    if (page.form) throw new Error('one form is all a person expects');
    if (attribute('method').toLowerCase() !== 'post')
      throw new Error(`a form to be sent by ${attribute('method') || 'GET'}`);
    page.form = { action: attribute('action'), inputs: [], buttons: [] };
  }
  if (tag === 'button') page.form?.buttons.push({ name: attribute('name'), value: attribute('value') });
  if (tag === 'input') {
    if (!page.form) throw new Error('a field without a form around it');
    page.form.inputs.push({ name: attribute('name'), type: attribute('type'), value: attribute('value') });
  }
}

function attributesOf(text: string): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name = '', double, single, bare] of text.matchAll(ATTRIBUTES)) {
    attributes.set(name.toLowerCase(), unescaped(double ?? single ?? bare ?? ''));
  }
  return attributes;
}

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (name) return NAMED[name] ?? whole;
    return String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal));
  });
}
