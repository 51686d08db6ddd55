import { isReauthError, unwrap } from './error.js';
import { native } from './native.js';

/** A native operation that can be cancelled. */
type Start = (cancel: native.Cancel | undefined) => Promise<string>;

/** Waits for a native operation. If `signal` is aborted, throws its reason, as platform functions do. */
export async function stoppable<T>(signal: AbortSignal | undefined, start: Start): Promise<T> {
  if (!signal) return unwrap(await start(undefined));
  signal.throwIfAborted();
  const cancel = new native.Cancel();
  const stop = () => cancel.cancel();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return unwrap(await start(cancel));
  } catch (error) {
    if (signal.aborted && isReauthError(error) && error.code === 'cancelled') throw signal.reason;
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
