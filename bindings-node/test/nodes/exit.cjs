/**
 * For the oldest Node: exits the process when there is nothing left to do, instead of tearing it down. Node 20.9
 * sometimes hangs there, because it tries without end to call a FinalizationRegistry (of `fetch` or any other).
 */

// The test runner finishes in its own listener for the first event; then the event is emitted again.
let told = 0;
process.on('beforeExit', () => {
  told += 1;
  if (told < 3) setImmediate(() => {});
  else process.exit();
});
