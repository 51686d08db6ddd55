import { writeSync } from 'node:fs';

/** Tells the program something, at once. */
export function tell(told) {
  let line = Buffer.from(`${JSON.stringify(told)}\n`);
  while (line.length > 0) {
    try {
      line = line.subarray(writeSync(1, line));
    } catch (error) {
      // The pipe is full for a moment; when nobody listens any more, it is about to end.
      if (error.code !== 'EAGAIN') return;
    }
  }
}
