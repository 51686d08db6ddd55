/**
 * For the oldest Node: ends the process when there is nothing left to do, instead of tearing it down. While it does
 * that, Node 20.9 now and then tries for ever to call a FinalizationRegistry (that of `fetch`, or any other), which it
 * cannot do any more.
 */

// The test runner does its part when this is told first; then it is told again.
let told = 0;
process.on('beforeExit', () => {
  told += 1;
  if (told < 3) setImmediate(() => {});
  else process.exit();
});
