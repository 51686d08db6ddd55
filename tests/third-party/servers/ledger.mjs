/** Records events in order, and the issued tokens and grants. Its report contains no secret. */
export class Ledger {
  events = [];
  tokens = new Map();
  grants = new Map();
  registered = [];

  note(what, details = {}) {
    this.events.push({ what, ...details });
  }

  /** Subscribes to the events of the authorization server. */
  follow(provider) {
    provider.on('registration_create.success', (_, client) => {
      this.registered.push(client.clientId);
      this.note('registration', { type: client.applicationType, auth: client.tokenEndpointAuthMethod });
    });
    provider.on('pushed_authorization_request.success', () => this.note('pushed'));
    provider.on('interaction.started', (_, prompt) => this.note('page', { prompt: prompt.name }));
    provider.on('authorization.success', ({ oidc: { params } }) => {
      this.note('authorization', { resource: params.resource, scope: params.scope });
    });
    provider.on('grant.success', ({ oidc, body }) => {
      this.note('token', {
        ...this.#request(oidc),
        type: body.token_type,
        scope: body.scope,
        rotations: oidc.entities.RefreshToken?.rotations ?? 0,
        key: (oidc.entities.AccessToken ?? oidc.entities.ClientCredentials)?.jkt,
      });
    });
    provider.on('grant.error', ({ oidc }, error) => {
      this.note('token', { ...this.#request(oidc), error: error.error });
    });
    provider.on('revocation.error', (_, error) => this.note('revocation', { error: error.error }));
    provider.on('grant.revoked', () => this.note('grant revoked'));
    provider.on('server_error', (_, error) => {
      console.error(error);
      this.note('server error', { error: error.message });
    });

    for (const name of ['access_token', 'client_credentials', 'refresh_token']) {
      provider.on(`${name}.saved`, (token) => this.tokens.set(token.jti, token));
      provider.on(`${name}.destroyed`, (token) => {
        this.tokens.delete(token.jti);
        this.note('destroyed', { kind: name });
      });
    }
    provider.on('refresh_token.consumed', () => this.note('consumed'));
    provider.on('grant.saved', (grant) => this.grants.set(grant.jti, grant));
    provider.on('grant.destroyed', (grant) => this.grants.delete(grant.jti));
  }

  #request({ params, body, ctx }) {
    return { grant: params?.grant_type, resource: params?.resource, auth: authentication(ctx, body) };
  }
}

/** The client authentication method that the request actually used. */
function authentication(ctx, body) {
  if (/^basic /i.test(ctx.get('authorization'))) return 'client_secret_basic';
  if (body?.client_secret) return 'client_secret_post';
  return body?.client_assertion ? 'private_key_jwt' : 'none';
}
