/** A program that calls a tool of a server that it has not signed in to, and tells in one line what came of it. */

import { AuthSession, type AuthSessionOptions, type Fetch, wording } from 'mcp-reauth';

import { call } from '../support/messages.mjs';
import { Person } from '../support/person.mjs';

/** What it is to do. */
export interface Task {
  options: AuthSessionOptions;
  /** A dispatcher of undici: one with these certificates, or one for the proxies of the environment. */
  dispatcher?: { ca: string; cert?: string; key?: string } | 'env-proxy';
  /** Whether the dispatcher is given by the option `fetch`, and not for the whole process. */
  byOption?: boolean;
}

/** What came of it. */
export interface Told {
  /** The text that the tool answered. */
  text?: string;
  /** What the call failed by. */
  failed?: { name: string; code?: string; message: string; causes: string[]; sentence: string };
  /** What signing in came to after that, without calling the server itself. */
  signIn?: { code: string; message: string };
}

const { options, dispatcher, byOption }: Task = JSON.parse(process.argv[2] ?? '');

// A dispatcher for the whole process has to be of the generation that this Node has built in.
const isLater = Number.parseInt(process.versions.undici ?? '', 10) >= 8;
const undici = isLater ? ((await import('undici-8')) as never as typeof import('undici')) : await import('undici');
const { Agent, EnvHttpProxyAgent, setGlobalDispatcher } = undici;
const agent = dispatcher === 'env-proxy' ? new EnvHttpProxyAgent() : new Agent({ connect: dispatcher ?? {} });
if (dispatcher && !byOption) setGlobalDispatcher(agent);
// As a program has it, but for the types: those of the platform and those of `undici` are not the same.
const own = ((input: string, init?: object) => undici.fetch(input, { ...init, dispatcher: agent })) as never as Fetch;

class Visitor extends Person {
  override async authorize(request: Parameters<Person['authorize']>[0]): Promise<URL> {
    if (!byOption) return super.authorize(request);
    const page = await own(request.url, { redirect: 'manual' });
    return new URL(page.headers.get('location') ?? '');
  }
}

const session = await AuthSession.open({ host: new Visitor(), ...options, ...(byOption && { fetch: own }) });
const told: Told = {};
try {
  const response = await session.fetch(session.serverUrl, call('echo'));
  told.text = ((await response.json()) as { result: { content: [{ text: string }] } }).result.content[0].text;
} catch (error) {
  const causes: string[] = [];
  for (let at = (error as Error).cause as Error | undefined; at; at = at.cause as Error | undefined)
    causes.push(`${(at as { code?: string }).code}: ${at.message}`);
  const { name, code, message } = error as Error & { code?: string };
  told.failed = { name, ...(code !== undefined && { code }), message, causes, sentence: wording.failure(error) };
  const outcome = await session.signIn();
  if (outcome.kind === 'failed') told.signIn = { code: outcome.error.code, message: outcome.error.message };
}
await session.close();
console.log(JSON.stringify(told));
// Connections are kept for a while.
process.exit();
