import { writeSync } from 'node:fs';

/** Writes a message to the program, synchronously. */
export function tell(told) {
  let line = Buffer.from(`${JSON.stringify(told)}\n`);
  while (line.length > 0) {
    try {
      line = line.subarray(writeSync(1, line));
    } catch (error) {
      // The pipe is full for a moment; if it has no reader, this process is about to end.
      if (error.code !== 'EAGAIN') return;
    }
  }
}
