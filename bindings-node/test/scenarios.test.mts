/**
 * The steps of `mcp-reauth demo`, through Node and the official SDK, by the same names. Each needs the same number of
 * requests and prompts as there, plus the additional requests of connecting on the older wire.
 */

import './support/testing.mjs';

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AuthSession, FileStore } from 'mcp-reauth';
import { connect, type McpClient, SDKS, type Sdk, succeeds } from './support/clients.mjs';
import { Fixture, PROGRAM } from './support/fixture.mjs';
import { Person } from './support/person.mjs';
import { testing } from './support/testing.mjs';

const run = promisify(execFile);

/** The demo's report of a step. */
interface Step {
  title: string;
  requests: number;
  questions: number;
  pages: number;
}

const PARALLEL = 50;
const CLIENT_ID = 'mcp-reauth-demo';
const ID_TOKEN_LIFE = 600;

/** The servers and the user of a scenario. */
interface Stage {
  person: Person;
  fixtures: Fixture[];
}

async function fails(client: McpClient, tool: string, code: string): Promise<void> {
  await assert.rejects(succeeds(client, tool), { name: 'ReauthError', code });
}

describe('as the demo', async () => {
  let folder: string;
  const steps = new Map<string, Step>();
  const played = new Set<string>();
  /** By how many seconds the clock of all sessions was advanced. */
  let ahead = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scenarios-'));
    const { stdout } = await run(PROGRAM, ['demo', '--json']);
    for (const line of stdout.trim().split('\n')) {
      const step: Step = JSON.parse(line);
      if (step.title) steps.set(step.title, step);
    }
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  /** Plays a step, and compares it with the demo's. */
  function step(stage: () => Stage, title: string, play: () => Promise<void>, more = 0): void {
    test(title, { timeout: 20_000 }, async () => {
      const { person, fixtures } = stage();
      person.reset();
      for (const fixture of fixtures) await fixture.resetCounters();
      await play();
      const counted = await Promise.all(fixtures.map((fixture) => fixture.clientRequests()));
      const requests = counted.reduce((sum, one) => sum + one, 0);
      const expected = steps.get(title);
      assert.ok(expected, 'the demo has no such step');
      if (title.startsWith(`${PARALLEL} parallel`)) {
        // How many are sent before the renewal completes depends on timing.
        assert.ok(requests >= PARALLEL + 2 && requests <= 2 * PARALLEL + 1, `${requests} requests`);
      } else if (title === 'the process restarts') {
        // The first process may notice the new token by itself, or only after a rejection.
        assert.ok(Math.abs(requests - expected.requests - more) <= 1, `${requests} requests`);
      } else {
        assert.equal(requests, expected.requests + more, 'requests');
      }
      assert.equal(person.questions.length, expected.questions, 'questions');
      assert.equal(person.pages.length, expected.pages, 'pages');
      played.add(title);
    });
  }

  for (const sdk of SDKS) {
    describe(sdk.name, () => standard(sdk));
    describe(`${sdk.name}, an organization`, () => organization(sdk));
  }

  test('nothing of the demo is left out', () => {
    assert.deepEqual([...played].sort(), [...steps.keys()].sort());
  });

  function standard(sdk: Sdk): void {
    let fixture: Fixture;
    let session: AuthSession;
    let client: McpClient;
    const person = new Person();
    const store = () => join(folder, `${SDKS.indexOf(sdk)}.json`);
    const stage = () => ({ person, fixtures: [fixture] });
    const play = (title: string, how: () => Promise<void>, more = 0) => step(stage, title, how, more);

    before(async () => {
      fixture = await Fixture.start();
      const options = { serverUrl: fixture.mcpUrl, clientName: 'mcp-reauth demo', host: person };
      session = await AuthSession.open({ ...options, store: new FileStore(store()) });
    });

    after(async () => {
      await client?.close();
      await session?.close();
      await fixture?.[Symbol.asyncDispose]();
    });

    play(
      'first sign-in',
      async () => {
        client = await connect(sdk, fixture, session.fetch);
        assert.deepEqual(session.authorization()?.scopes, ['mcp:read']);
      },
      sdk.requests - 1,
    );

    play('a tool call', () => succeeds(client, 'echo'));

    play('the token expires', async () => {
      await fixture.expire();
      await succeeds(client, 'echo');
    });

    play('the grant is revoked', async () => {
      await fixture.control('POST', '/revoke');
      await succeeds(client, 'echo');
    });

    play('50 parallel calls, token expired', async () => {
      await fixture.expire();
      await Promise.all(Array.from({ length: PARALLEL }, () => succeeds(client, 'echo')));
      const { token_refresh, reuse_detected } = await fixture.counters();
      assert.deepEqual({ token_refresh, reuse_detected }, { token_refresh: 1, reuse_detected: 0 });
    });

    play('a tool needs more scope', async () => {
      await succeeds(client, 'write_note');
      assert.deepEqual(session.authorization()?.scopes, ['mcp:read', 'mcp:write']);
      assert.deepEqual(person.questions[0]?.challenge.context, { method: 'tools/call', toolName: 'write_note' });
    });

    play('consent is declined', async () => {
      person.agrees = false;
      await fails(client, 'delete_note', 'consent_denied');
      person.agrees = true;
      await succeeds(client, 'echo');
    });

    play('a tool needs a stronger sign-in', async () => {
      await succeeds(client, 'transfer');
      assert.ok(session.authorization()?.scopes.includes('mcp:write'), 'scopes were lost');
    });

    play('authorization server down, then up', async () => {
      await fixture.expire();
      await fixture.control('POST', '/authorization-server', { up: false });
      await fails(client, 'echo', 'refresh_unavailable');
      await fixture.control('POST', '/authorization-server', { up: true });
      await succeeds(client, 'echo');
    });

    play('the process restarts', async () => {
      await fixture.expire();
      const task = { url: fixture.mcpUrl, store: store(), calls: 1 };
      const { stdout } = await run(process.execPath, [CALLER, JSON.stringify(task)]);
      assert.deepEqual(JSON.parse(stdout), { succeeded: 1, failed: [] });
      await succeeds(client, 'echo');
      assert.equal((await fixture.counters()).token_refresh, 1, 'the processes did not share one renewal');
    });

    play('a server that always refuses', async () => {
      await fixture.control('PUT', '/faults', { always_401: true });
      await fails(client, 'echo', 'unauthorized');
      await fixture.control('PUT', '/faults', {});
    });
  }

  function organization(sdk: Sdk): void {
    const person = new Person();
    const places: Place[] = [];
    const stage = () => ({ person, fixtures: places.map(({ fixture }) => fixture) });
    const play = (title: string, how: () => Promise<void>, more = 0) => step(stage, title, how, more);
    const [first, second] = [() => places[0] as Place, () => places[1] as Place];

    before(async () => {
      const store = new FileStore(join(folder, `organization-${SDKS.indexOf(sdk)}.json`));
      const open = async (identityProvider: object) => {
        const fixture = await Fixture.start(managed(identityProvider));
        await fixture.control('POST', '/advance', { seconds: ahead });
        const issuer = places[0]?.fixture.idpIssuer ?? fixture.idpIssuer;
        const session = await AuthSession.open({
          serverUrl: fixture.mcpUrl,
          clientName: 'mcp-reauth demo',
          credentials: {
            kind: 'enterprise',
            identityProvider: { issuer, clientId: CLIENT_ID },
            client: { id: CLIENT_ID },
          },
          store,
          host: person,
        });
        places.push(new Place(sdk, fixture, session));
      };
      await open({ own: OWN });
      await open({ at: { issuer: first().fixture.idpIssuer } });
    });

    after(async () => {
      for (const place of places) await place.close();
    });

    play(
      'an organization signs in',
      async () => {
        await first().client();
        await first().wasNotVisited();
      },
      sdk.requests - 1,
    );

    play(
      'a second server is used',
      async () => {
        await second().client();
        await second().wasNotVisited();
      },
      sdk.requests - 1,
    );

    play('its token expires', async () => {
      await second().fixture.expire();
      await succeeds(await second().client(), 'echo');
    });

    play('one of its tools needs more scope', async () => {
      await succeeds(await second().client(), 'write_note');
      assert.deepEqual(second().session.authorization()?.scopes, ['mcp:read', 'mcp:write']);
    });

    play('the ID token expires as well', async () => {
      testing.advanceClock(ID_TOKEN_LIFE);
      ahead += ID_TOKEN_LIFE;
      for (const { fixture } of places) await fixture.control('POST', '/advance', { seconds: ID_TOKEN_LIFE });
      await second().fixture.expire();
      // After any operation, the session looks at the clock before its next request.
      await second().session.connectionState();
      await succeeds(await second().client(), 'echo');
    });

    play('the organization refuses a scope', async () => {
      const { fixture } = first();
      await fixture.control('PUT', '/idp/policy', { refuse_scopes: ['mcp:admin'] });
      await fails(await second().client(), 'delete_note', 'policy_denied');
      await fixture.control('PUT', '/idp/policy', 'allow');
      await succeeds(await second().client(), 'echo');
    });

    play('signing out of the organization', async () => {
      assert.equal(await first().session.identityProvider?.signOut(), 'done');
      for (const { session, fixture } of places) {
        assert.equal((await session.connectionState()).signedIn, false);
        assert.equal(session.authorization(), undefined);
        assert.deepEqual(await fixture.control('GET', '/tokens'), []);
      }
      assert.deepEqual(await first().fixture.control('GET', '/idp/sessions'), []);
    });
  }
});

const CALLER = fileURLToPath(new URL('./support/caller.mjs', import.meta.url));

/** An identity provider at which the demo is registered. */
const OWN = {
  clients: [{ client_id: CLIENT_ID, redirect_uris: ['http://127.0.0.1/oauth/callback'] }],
  id_token_ttl_seconds: ID_TOKEN_LIFE,
};

/** A server that trusts an identity provider. */
function managed(identityProvider: object): object {
  const grant_types = ['urn:ietf:params:oauth:grant-type:jwt-bearer'];
  return {
    identity_provider: identityProvider,
    registration: { dynamic: false, clients: [{ client_id: CLIENT_ID, grant_types }] },
  };
}

/** A server, and the session for it. */
class Place {
  #client: Promise<McpClient> | undefined;

  constructor(
    readonly sdk: Sdk,
    readonly fixture: Fixture,
    readonly session: AuthSession,
  ) {}

  client(): Promise<McpClient> {
    this.#client ??= connect(this.sdk, this.fixture, this.session.fetch);
    return this.#client;
  }

  /** Asserts that the user never visited the authorization server's own sign-in page. */
  async wasNotVisited(): Promise<void> {
    assert.equal((await this.fixture.counters()).authorize_visits, 0);
  }

  async close(): Promise<void> {
    await (await this.#client)?.close();
    await this.session.close();
    await this.fixture[Symbol.asyncDispose]();
  }
}
