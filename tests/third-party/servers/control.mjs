// The tests' control interface of the servers.

/** A handler for `POST /NAME` of each action below, and for `GET /events`. */
export function control({ authority, guarded, ledger }) {
  const { provider, gate } = authority;
  const actions = {
    async expire() {
      const access = [...ledger.tokens.values()].filter((token) => token.kind !== 'RefreshToken');
      await Promise.all(access.map((token) => token.destroy()));
    },
    async revoke() {
      for (const [id, grant] of ledger.grants) {
        await Promise.all([
          provider.AccessToken.revokeByGrantId(id),
          provider.RefreshToken.revokeByGrantId(id),
          grant.destroy(),
        ]);
      }
    },
    async 'forget-clients'() {
      await Promise.all(ledger.registered.map((id) => provider.Client.adapter.destroy(id)));
    },
    // Aliases with the names of the other third-party servers' instructions.
    reject: () => actions.expire(),
    async forget() {
      await actions.revoke();
      await actions['forget-clients']();
    },
    hold: () => gate.close(),
    release: () => gate.open(),
    'change-nonce': () => guarded.nonces.change(),
  };

  return async (request, response) => {
    const name = request.url.slice(1);
    try {
      if (request.method === 'GET' && name === 'events') {
        const body = JSON.stringify({ events: ledger.events, held: gate.waiting });
        return response.setHeader('content-type', 'application/json').end(body);
      }
      if (request.method !== 'POST' || !Object.hasOwn(actions, name)) return response.writeHead(404).end();
      await actions[name]();
      response.writeHead(204).end();
    } catch (error) {
      console.error(error);
      response.writeHead(500).end(error.message);
    }
  };
}
