/**
 * Has a call to its host pending, and abandons it in the way its argument says. It ends by itself or, if that is
 * tested, by `process.exit`.
 */

import { type AuthHost, AuthSession, type HostContext } from 'mcp-reauth';

import { call, deferred, failure } from '../support/adversary.mjs';

const [, , way, serverUrl = ''] = process.argv;

const asked = deferred<HostContext>();
const host: AuthHost = {
  redirectUri: 'http://127.0.0.1:9/oauth/callback',
  confirmStepUp: () => true,
  authorize: (_, context) => {
    asked.resolve(context);
    return new Promise(() => {});
  },
};

const session = await AuthSession.open({ serverUrl, host });
const stop = new AbortController();

switch (way) {
  case 'is only opened':
    break;
  case 'is opened and closed':
    await session.close();
    break;
  case 'listens to events': {
    session.addEventListener('renewed', () => {});
    // The promise is not awaited.
    void session.events().next();
    break;
  }
  case 'aborts the request': {
    const request = call(session, serverUrl, 'echo', stop.signal).catch((error: Error) => error.name);
    await asked.promise;
    stop.abort();
    console.log(await request);
    break;
  }
  case 'closes the session': {
    const failed = failure(() => call(session, serverUrl, 'echo'));
    await asked.promise;
    await session.close();
    console.log((await failed).code);
    break;
  }
  case 'signs in and closes the session': {
    const failed = failure(() => session.connectionState().then(() => session.signIn()));
    await asked.promise;
    await session.close();
    console.log((await failed).code);
    break;
  }
  case 'exits': {
    void call(session, serverUrl, 'echo').catch(() => {});
    await asked.promise;
    process.exit(7);
    break;
  }
  case 'throws': {
    void call(session, serverUrl, 'echo').catch(() => {});
    await asked.promise;
    throw new Error('the program fails');
  }
  default:
    throw new Error(`there is no way ${way}`);
}
console.log('done');
