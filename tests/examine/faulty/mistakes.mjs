// The mistakes of the faulty client, each with the scenarios that it fails.

/** Scenarios in which a token is renewed silently. */
const RENEWALS = ['rejected', 'restart-rejected', 'step-up-rejected', 'end-rejected'];
const PROCESSES = ['processes-connected', 'processes-started'];
const OUTAGES = ['one-503', 'outage', 'refused'];

/** By mistake: the kind of problem that is found, and the scenarios in which it is. */
export const MISTAKES = {
  'asks-each-time': ['excess', ['parallel-step-ups']],
  'crosses-issuers': ['leaked', ['moved-issuer']],
  'discards-after-errors': ['excess', OUTAGES],
  'follows-redirects': ['leaked', ['redirected-call', 'redirected-refresh']],
  'forgets-at-restart': ['excess', ['restart', 'restart-expired', 'restart-rejected', ...PROCESSES]],
  'forgets-scopes': ['lost', ['step-up-union']],
  'gives-up-on-503': ['unanswered', ['one-503']],
  'ignores-expiry': ['excess', ['expired', 'restart-expired']],
  'ignores-issuer': ['fooled', ['wrong-issuer', 'missing-issuer']],
  'ignores-metadata-issuer': ['fooled', ['foreign-metadata']],
  'ignores-pkce': ['fooled', ['no-pkce']],
  'ignores-resource': ['fooled', ['foreign-resource']],
  'ignores-state': ['fooled', ['wrong-state']],
  'keeps-a-dead-client': ['unanswered', ['forgotten-client']],
  'loops-on-401': ['looped', ['always-401']],
  'loops-on-403': ['looped', ['always-403', 'ever-more-scope', 'plain-403']],
  'narrows-at-refresh': ['excess', ['step-up-rejected']],
  'never-ends': ['hung', ['end-rejected']],
  'prints-token': ['leaked', ['first-sign-in', 'rejected']],
  'prompts-at-401': ['excess', [...RENEWALS, 'parallel', ...PROCESSES, ...OUTAGES]],
  'refreshes-for-scope': ['unanswered', ['step-up', 'step-up-restarted', 'parallel-step-ups']],
  'refreshes-in-parallel': ['lost', ['parallel', ...PROCESSES]],
  'waits-for-the-person': ['unanswered', ['slow-person']],
};

/** Mistakes that every scenario shows, in which nothing else is examined. */
export const EVERYWHERE = ['never-ends', 'prints-token'];

const chosen = process.env.MISTAKE ?? '';
if (chosen && !(chosen in MISTAKES)) throw new Error(`MISTAKE: there is no ${chosen}`);

/** Whether the client makes this mistake. */
export const makes = (name) => name === chosen;
