/** Hand-written messages of the newest wire. */

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** A call of a tool on the newest wire. */
export function call(
  name: string,
  id: number | string = 1,
): RequestInit & { body: string; headers: Record<string, string> } {
  const params = { name, arguments: { text: 'hello' }, _meta: META };
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': name,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params }),
  };
}

/** The notification that cancels a call. */
export function cancelled(requestId: number | string): RequestInit {
  const method = 'notifications/cancelled';
  const { headers } = call('');
  const body = JSON.stringify({ jsonrpc: '2.0', method, params: { requestId, _meta: META } });
  return { method: 'POST', headers: { ...headers, 'mcp-method': method, 'mcp-name': '' }, body };
}
