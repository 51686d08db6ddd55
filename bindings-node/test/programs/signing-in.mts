/** Calls a tool of a server without having signed in, and prints the result as one line of JSON. */

import { AuthSession, type AuthSessionOptions, type Fetch, wording } from 'mcp-reauth';

import { call } from '../support/messages.mjs';
import { Person } from '../support/person.mjs';

/** The input of the program. */
export interface Task {
  options: AuthSessionOptions;
  /** An undici dispatcher: one with these certificates, or one that uses the environment's proxies. */
  dispatcher?: { ca: string; cert?: string; key?: string } | 'env-proxy';
  /** Whether to pass the dispatcher through the option `fetch` instead of setting it for the process. */
  byOption?: boolean;
}

/** The output of the program. */
export interface Told {
  /** The text that the tool returned. */
  text?: string;
  /** The error of the call. */
  failed?: { name: string; code?: string; message: string; causes: string[]; sentence: string };
  /** The error of a sign-in after that, without a call to the server. */
  signIn?: { code: string; message: string };
}

const { options, dispatcher, byOption }: Task = JSON.parse(process.argv[2] ?? '');

// A dispatcher for the process must match the version of undici that this Node contains.
const isLater = Number.parseInt(process.versions.undici ?? '', 10) >= 8;
const undici = isLater ? ((await import('undici-8')) as never as typeof import('undici')) : await import('undici');
const { Agent, EnvHttpProxyAgent, setGlobalDispatcher } = undici;
const agent = dispatcher === 'env-proxy' ? new EnvHttpProxyAgent() : new Agent({ connect: dispatcher ?? {} });
if (dispatcher && !byOption) setGlobalDispatcher(agent);
// As in a real program, but with casts, because the types of the platform and of `undici` differ.
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
// Idle connections would keep the process alive.
process.exit();
