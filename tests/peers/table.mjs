// The comparison as a page in Markdown.

const day = () => new Date().toISOString().slice(0, 10);
const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

/** What a client did in a scenario: answered, requests and prompts, and what is worse than that. */
function cell({ answered, calls, requests, prompts, passed, problems }) {
  const worse = new Set(problems.map(({ kind }) => kind));
  worse.delete('excess');
  worse.delete('unanswered');
  const counts = `${calls ? `${answered}/${calls}, ` : ''}${requests}/${prompts}`;
  const text = [counts, ...worse].join(', ');
  return passed ? `**${text}**` : text;
}

/** The page. */
export function page(examined, happy) {
  const titles = examined.map(({ title }) => title);
  const [first] = examined;
  const scenarios = first.reports.map(({ scenario, title }, index) => {
    const reports = examined.map(({ reports }) => reports[index]);
    const limit = first.reports[index];
    return [`${title} (\`${scenario}\`)`, `${limit.requestsLimit}/${limit.promptsLimit}`, ...reports.map(cell)];
  });
  const passed = examined.map(
    ({ reports }) => `${reports.filter((report) => report.passed).length} of ${reports.length}`,
  );
  const about = examined.map(({ title, version, help }) => [title, version, help]);
  return `# Clients compared

\`./test peers\` runs [\`mcp-reauth examine\`](examine.md) for our clients and for those of others, all from their registries, and writes this page. It was
written on ${day()}, on ${process.platform} ${process.arch} with Node ${process.versions.node}. All speak MCP 2025-11-25.

Each cell has what the server counted: answered calls, if any should have been, then requests/prompts, the failed request and its retry included. A client that
stays within the limits, and loses, leaks and loops nothing, is **bold**; \`hung\`, \`lost\`, \`leaked\`, \`looped\` and \`fooled\` are
explained in [examine a client](examine.md#how-it-is-judged). The limit for requests depends on what a client sends besides, such as the notification after
\`initialize\`; the column is for the first client.

${table(['situation', 'limit', ...titles], [...scenarios, ['passed', '', ...passed]])}

## How each client was helped

As far as its documentation says, and no further.

${table(['client', 'version', 'help'], about)}

## The happy path

A call with a valid token, compared with the same client (in the last column) that has no authorization and sends a token that it is given: the median of the
ratios of ${happy.rounds} rounds and their quartiles, then the median times of a call, from the line that asks for it to the line that answers. Both sides take turns.

${table(['client', 'ratio', 'call', 'bare', 'bare client'], happy.rows)}
`;
}
