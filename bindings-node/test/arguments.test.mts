import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type AuthChallenge, AuthSession, ReauthError } from 'mcp-reauth';

import { each, failure, GARBAGE, RESPONSES, SECRET, told } from './support/adversary.mjs';

const LIMIT = { timeout: 20_000 };
const serverUrl = 'http://127.0.0.1:9/mcp';
const challenge: AuthChallenge = { reason: 'token_expired', requiredScopes: [] };

/** Asserts that `work` fails with a `config` error that quotes nothing. */
async function misuse(work: () => unknown, what = 'it'): Promise<ReauthError> {
  const error = await failure(async () => await work(), what);
  assert.equal(error.code, 'config', error.message);
  assert.ok(!`${error.message}${error.sentence}`.includes(SECRET), error.message);
  return error;
}

/** Asserts that `work` succeeds, or fails with an error of this package: a `config` error, or one of `codes`. */
async function tolerates(work: () => unknown, ...codes: string[]): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ReauthError)) assert.fail(`${told(error)} instead of a ReauthError`);
    assert.ok(['config', ...codes].includes(error.code), error.message);
  }
}

/** The required arguments of each method, which rejects garbage for them. */
const NEEDED: [method: string, work: (session: AuthSession, given: never) => unknown][] = [
  ['setAuthState', (session, given) => session.setAuthState(given)],
  ['handleAuthChallenge', (session, given) => session.handleAuthChallenge(given)],
  ['checkAuthChallengeSatisfied', (session, given) => session.checkAuthChallengeSatisfied(given)],
  ['recover', (session, given) => session.request().recover(given)],
  ['completeAuthorization', (session, given) => session.completeAuthorization(given)],
  ['identityProvider.adopt', (session, given) => session.identityProvider?.adopt(given)],
];

const credentials = {
  kind: 'enterprise',
  identityProvider: { issuer: 'https://idp.example', clientId: 'at-idp' },
} as const;

for (const [method, work] of NEEDED) {
  test(`${method} that is given garbage fails by a config error`, LIMIT, async () => {
    await using session = await AuthSession.open({ serverUrl, credentials });
    // A string is a valid callback, although no authorization waits for it.
    const cases = Object.entries(GARBAGE).filter(([kind]) => method !== 'completeAuthorization' || kind !== 'a text');
    await each(cases, (value) => misuse(() => work(session, value as never)));
  });
}

test('a callback with values that are no texts fails, and its values are not quoted', LIMIT, async () => {
  await using session = await AuthSession.open({ serverUrl });
  const quotesNothing = async (callback: unknown) => {
    const error = await failure(() => session.completeAuthorization(callback as never));
    assert.ok(['config', 'state_mismatch'].includes(error.code), error.code);
    assert.ok(!`${error.message}${error.sentence}`.includes(SECRET), error.message);
  };
  await each(Object.entries(GARBAGE), (value) => quotesNothing({ code: value, state: SECRET }));
  await each(Object.entries(GARBAGE), (value) => quotesNothing({ code: SECRET, state: SECRET, iss: value }));
  for (const text of ['', '?', `code=${SECRET}`, `https://a.example/?code=${SECRET}&state=`, `\0${SECRET}`, '\ud800']) {
    await quotesNothing(text);
  }
});

const PARTS: Record<string, object> = {
  'no reason': { reason: undefined },
  'an unknown reason': { reason: SECRET },
  'a reason that is a status': { reason: 401 },
  'scopes that are null': { requiredScopes: null },
  'scopes that are a text': { requiredScopes: 'mcp:read' },
  'a scope that is a number': { requiredScopes: [SECRET, 5] },
  'classes that are a text': { acrValues: SECRET },
  'a negative age': { maxAge: -1 },
  'an age with a fraction': { maxAge: 1.5 },
  'an age that is a text': { maxAge: SECRET },
  'a message that is a list': { message: [SECRET] },
  'an address that is an object': { resourceMetadata: { href: SECRET } },
  'a context that is a text': { context: SECRET },
  'a tool that is a number': { context: { toolName: 5 } },
  'a response that is null': { raw: null },
  'a status that is too large': { raw: { httpStatus: 70_000 } },
  'a status that is a text': { raw: { httpStatus: SECRET } },
};

test('a challenge that is malformed in any of its parts is refused as a challenge', LIMIT, async () => {
  await using session = await AuthSession.open({ serverUrl });
  await each(Object.entries(PARTS), async (part) => {
    const given = { ...challenge, ...part } as never;
    assert.match((await misuse(() => session.handleAuthChallenge(given))).message, /challenge/);
    assert.match((await misuse(() => session.checkAuthChallengeSatisfied(given))).message, /challenge/);
  });
});

test('an authorization state that is malformed is refused, and changes nothing', LIMIT, async () => {
  await using session = await AuthSession.open({ serverUrl });
  const by = { issuer: 'https://as.example', token_endpoint: 'https://as.example/token' };
  const grant = { id: 'a', by, access_token: SECRET, granted: [], obtained_at: 0 };
  const good = { grant, requested: [] };
  const states = {
    'no grant': { grant: null, requested: [] },
    'half a grant': { grant: { access_token: SECRET }, requested: [] },
    'scopes that are numbers': { ...good, grant: { ...grant, granted: [5] } },
    'a time before all times': { ...good, grant: { ...grant, obtained_at: -1 } },
    'a token that is no text': { ...good, grant: { ...grant, access_token: [SECRET] } },
    'scopes that are a text': { ...good, requested: SECRET },
    'a list': [good],
  };
  await each(Object.entries(states), (state) => misuse(() => session.setAuthState(state)));
  assert.equal((await session.connectionState()).signedIn, false);
});

const response = { status: 200, headers: {} };
const OPTIONAL: [method: string, work: (session: AuthSession, given: never) => unknown][] = [
  ['handleAuthChallenge', (session, given) => session.handleAuthChallenge(challenge, given)],
  ['request', async (session, given) => session.request(given).recover(response)],
  ['authorize', (session, given) => session.request().authorize(given)],
  ['signIn', (session, given) => session.signIn(given)],
  ['completeAuthorization', (session, given) => session.completeAuthorization('state=x', given)],
];

for (const [method, work] of OPTIONAL) {
  test(`options of ${method} that are garbage are refused, or as if nothing was said`, LIMIT, async () => {
    await using session = await AuthSession.open({ serverUrl });
    await each(Object.entries(GARBAGE), (value) =>
      tolerates(() => work(session, value as never), 'state_mismatch', 'interaction_required'),
    );
  });
}

test('an option of a method that cannot be what it should be is refused', LIMIT, async () => {
  await using session = await AuthSession.open({ serverUrl });
  const cases: Record<string, () => unknown> = {
    trigger: () => session.handleAuthChallenge(challenge, { trigger: 'later' } as never),
    confirmedStepUp: () => session.handleAuthChallenge(challenge, { confirmedStepUp: 'yes' } as never),
    failed: () => session.handleAuthChallenge(challenge, { failed: { headerValue: SECRET } } as never),
    signal: () => session.handleAuthChallenge(challenge, { signal: 'now' } as never),
    'failed of check': () => session.checkAuthChallengeSatisfied(challenge, SECRET as never),
    'trigger of request': async () => session.request({ trigger: 'later' } as never),
    'operation of request': async () => session.request({ operation: 5 } as never),
    'no operation of request': async () => session.request({ operation: null } as never),
    'signal of request': async () => session.request({ signal: {} } as never),
    'url of authorize': () => session.request().authorize({ url: 5 } as never),
    'another url of authorize': () => session.request().authorize({ url: 'https://elsewhere.example/mcp' }),
    'method of authorize': () => session.request().authorize({ method: 5 } as never),
    'scopes of signIn': () => session.signIn({ scopes: 5 } as never),
    'a scope of signIn': () => session.signIn({ scopes: [5] } as never),
    'again of signIn': () => session.signIn({ again: 'yes' } as never),
    'signal of signIn': () => session.signIn({ signal: 5 } as never),
    'signal of completeAuthorization': () => session.completeAuthorization('state=x', { signal: 5 } as never),
  };
  await each(Object.entries(cases), (work) => misuse(work));
});

test('recover that is given half a response fails by a config error, or lets it pass', LIMIT, async () => {
  await using session = await AuthSession.open({ serverUrl });
  await each(Object.entries(RESPONSES), (given) =>
    tolerates(() => session.request().recover(given as never), 'interaction_required'),
  );
});

test('recover takes what is no status of HTTP for no rejection', LIMIT, async () => {
  await using session = await AuthSession.open({ serverUrl });
  const statuses = Object.entries(RESPONSES).filter(([kind]) => kind.startsWith('a status'));
  await each(statuses, (given) => tolerates(() => session.request().recover(given as never)));
});

test('fetch that is given no address fails as the platform does', LIMIT, async () => {
  await using session = await AuthSession.open({ serverUrl });
  const inputs = [undefined, null, 5, Symbol('address'), {}, { url: 5 }, '', '/mcp', 'http://'];
  await each(
    inputs.map((input) => [told(input), input] as const),
    async (input) => {
      const error: unknown = await session.fetch(input as never).then(
        () => 'nothing',
        (error: unknown) => error,
      );
      const known = error instanceof TypeError || (error instanceof ReauthError && error.code === 'config');
      assert.ok(known, told(error));
    },
  );
});

test('whatever a closed session is asked for, it says that it was stopped', LIMIT, async () => {
  const session = await AuthSession.open({ serverUrl, credentials });
  const idp = session.identityProvider;
  const begun = session.request();
  await session.close();
  const cases: Record<string, () => unknown> = {
    fetch: () => session.fetch(serverUrl),
    'fetch of another address': () => session.fetch('https://elsewhere.example/'),
    request: async () => session.request(),
    authorize: () => begun.authorize(),
    recover: () => begun.recover({ status: 401, headers: {} }),
    handleAuthChallenge: () => session.handleAuthChallenge(challenge),
    checkAuthChallengeSatisfied: () => session.checkAuthChallengeSatisfied(challenge),
    completeAuthorization: () => session.completeAuthorization('state=x&code=y'),
    signIn: () => session.signIn(),
    authState: () => session.authState(),
    connectionState: () => session.connectionState(),
    signOut: () => session.signOut(),
    'authProvider.token': () => session.authProvider.token(),
    'authProvider.onUnauthorized': () =>
      session.authProvider.onUnauthorized({ response: new Response(null, { status: 401 }) }),
    'identityProvider.state': () => idp?.state(),
    'identityProvider.adopt': () => idp?.adopt({ idToken: SECRET }),
    'identityProvider.signOut': () => idp?.signOut(),
  };
  await each(Object.entries(cases), async (work) => {
    const { code, message } = await failure(work);
    assert.equal(code, 'cancelled');
    assert.match(message, /closed/);
  });
  assert.equal(session.authorization(), undefined);
  assert.deepEqual(await session.events().next(), { value: undefined, done: true });
  await session.close();
});
