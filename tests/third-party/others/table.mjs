// Checks one row of the table in docs/servers.md, which it reads as JSON from standard input: `{server, version,
// client, cells}`. With UPDATE_DOCS=1 it writes the row and the remarks instead.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { SERVERS, SITUATIONS } from './servers.mjs';

const FILE = fileURLToPath(new URL('../../../docs/servers.md', import.meta.url));
const BEGIN = '<!-- From here on, tests write and check. -->';
const CLIENTS = { command: 'command', node: 'Node', python: 'Python' };

const HEAD = ['server', 'version', 'client', ...SITUATIONS];
const row = (cells) => `| ${cells.join(' | ')} |`;
const TITLE = [row(HEAD), row(HEAD.map(() => '---'))];

function lineOf({ server, version, client, cells }) {
  const { title, remarks = {} } = SERVERS[server];
  const values = SITUATIONS.map((situation) => {
    const value = cells[situation] ?? '–';
    return remarks[situation] ? `${value} *` : `${value}`;
  });
  return row([title, version, CLIENTS[client], ...values]);
}

function remarks() {
  const lines = Object.values(SERVERS).flatMap(({ title, remarks = {} }) =>
    Object.entries(remarks).map(([situation, remark]) => `- ${title}, ${situation}: ${remark}`),
  );
  return ['\\* Remarks:', '', ...lines];
}

/** Sorts the rows of the table by server, whatever their versions. */
function sorted(lines) {
  const titles = Object.values(SERVERS).map(({ title }) => title);
  const clients = Object.values(CLIENTS);
  const place = (line) => {
    const [title, , client] = line.slice(2).split(' | ');
    return titles.indexOf(title) * clients.length + clients.indexOf(client);
  };
  return lines.filter((line) => place(line) >= 0).toSorted((one, other) => place(one) - place(other));
}

const whole = existsSync(FILE) ? readFileSync(FILE, 'utf8') : '';
const [intro, generated = ''] = whole.split(`${BEGIN}\n`);
const lines = generated.split('\n').filter((line) => line.startsWith('| ') && !TITLE.includes(line));

const result = JSON.parse(await text(process.stdin));
const line = lineOf(result);
const isOfThis = (other) => {
  const [title, , client] = other.slice(2).split(' | ');
  return title === SERVERS[result.server].title && client === CLIENTS[result.client];
};

if (process.env.UPDATE_DOCS === '1') {
  const all = sorted([...lines.filter((other) => !isOfThis(other)), line]);
  writeFileSync(FILE, `${intro}${BEGIN}\n\n${[...TITLE, ...all, '', ...remarks()].join('\n')}\n`);
} else {
  const problems = [];
  const written = lines.find(isOfThis);
  if (written !== line) problems.push(`it says ${written}`, `and it was ${line}`);
  if (!generated.endsWith(`\n${remarks().join('\n')}\n`))
    problems.push('its remarks are not those of others/servers.mjs');
  if (problems.length > 0) {
    console.error(['docs/servers.md: UPDATE_DOCS=1 writes what happened.', ...problems].join('\n'));
    process.exitCode = 1;
  }
}
