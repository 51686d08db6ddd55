//! Every path through the state machine, by its own transitions: whatever the facts of the moment and the result of a
//! step are, each path ends.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::thread;

use mcp_reauth::recovery::{
    Attempt, Current, Event, Facts, IssuerCheck, Means, Permissions, ProofDemand, Rejection,
    Renewal, Scoping, Source, State, Step, Tried, Trigger,
};

type Walker = State<()>;

const BOTH: [bool; 2] = [false, true];
const REJECTIONS: [Rejection; 5] = [
    Rejection::Token,
    Rejection::Scope,
    Rejection::Authentication,
    Rejection::Forbidden,
    Rejection::RefusedToken,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Person,
    ClientCredentials,
    Enterprise,
}

/// What stays the same on one path.
#[derive(Debug, Clone, Copy)]
struct World {
    kind: Kind,
    trigger: Trigger,
    returns: bool,
    deliberate: bool,
    permissions: Permissions,
    /// Requests carry proofs, which the server may refuse.
    proves: bool,
}

fn worlds() -> Vec<World> {
    let kinds = [Kind::Person, Kind::ClientCredentials, Kind::Enterprise];
    // A transport, also if no caller waits; a host that hands a challenge in; and an explicit sign-in.
    let ways = [
        (Trigger::Command, true, false),
        (Trigger::Ambient, true, false),
        (Trigger::Command, false, false),
        (Trigger::Ambient, false, false),
        (Trigger::Command, false, true),
    ];
    let mut worlds = Vec::new();
    for kind in kinds {
        for (trigger, returns, deliberate) in ways {
            for permissions in permissions(kind) {
                worlds.push(World {
                    kind,
                    trigger,
                    returns,
                    deliberate,
                    permissions,
                    proves: false,
                });
            }
        }
        // With everything that a proof may lack, where most can be done about a rejection.
        let most = permissions(kind).into_iter().rfind(|p| p.can_authorize);
        // How a token was granted makes no difference to proofs.
        if let Some(most) = most.filter(|_| kind != Kind::Enterprise) {
            worlds.push(World {
                kind,
                trigger: Trigger::Command,
                returns: true,
                deliberate: false,
                permissions: Permissions {
                    max_step_ups: 1,
                    interaction: kind != Kind::ClientCredentials,
                    ..most
                },
                proves: true,
            });
        }
    }
    worlds
}

/// Returns the permissions that make a difference for this way to obtain credentials.
fn permissions(kind: Kind) -> Vec<Permissions> {
    let confirms = match kind {
        Kind::Enterprise => &BOTH[..],
        _ => &BOTH[..1],
    };
    let hosts = match kind {
        Kind::ClientCredentials => &[(false, true)][..],
        // A silent means can authorize as well.
        Kind::Enterprise => &[(true, true), (false, true)][..],
        _ => &[(true, true), (false, true), (false, false)][..],
    };
    let mut all = Vec::new();
    for max_step_ups in [0, 1] {
        for &(interaction, can_authorize) in hosts {
            for &confirm in confirms {
                all.push(Permissions {
                    max_step_ups,
                    interaction,
                    can_authorize,
                    confirm,
                });
            }
        }
    }
    all
}

fn tried() -> [Tried<()>; 4] {
    [
        Tried::Succeeded,
        Tried::Failed(Attempt::Unreachable, ()),
        Tried::Failed(Attempt::Rejected, ()),
        Tried::Failed(Attempt::Refused, ()),
    ]
}

fn pauses() -> Vec<Option<Tried<()>>> {
    std::iter::once(None).chain(tried().map(Some)).collect()
}

impl World {
    fn sources(self, idp_pauses: &[Option<Tried<()>>]) -> Vec<Source<()>> {
        match self.kind {
            Kind::Person => BOTH.map(|renewable| Source::Person { renewable }).to_vec(),
            // An assertion of the workload's platform makes no difference to the rules.
            Kind::ClientCredentials => vec![Source::ClientCredentials],
            Kind::Enterprise => {
                let sources = BOTH.into_iter().flat_map(|id_token| {
                    let held = idp_pauses.iter().map(move |paused| (true, paused.clone()));
                    let all = held.chain([(false, None)]);
                    all.map(move |(renewable, paused)| Source::Enterprise {
                        id_token,
                        renewable,
                        paused,
                    })
                });
                sources.collect()
            }
        }
    }

    /// Returns facts without anything special.
    fn plain(self) -> Facts<()> {
        Facts {
            trigger: self.trigger,
            returns: self.returns,
            deliberate: self.deliberate,
            permissions: self.permissions,
            source: match self.kind {
                Kind::Enterprise => Source::Enterprise {
                    id_token: false,
                    renewable: true,
                    paused: None,
                },
                _ => self.sources(&[None]).swap_remove(0),
            },
            paused: None,
            anonymous: false,
            names_scopes: true,
            current: Current::default(),
            proof: ProofDemand::None,
        }
    }

    /// Returns all facts that are possible at a decision, as far as they make a difference.
    fn facts(self, matters: Matters) -> Vec<Facts<()>> {
        let may_be = |holds: bool| if holds { &BOTH[..] } else { &BOTH[..1] };
        let pauses = |matter: bool| if matter { pauses() } else { vec![None] };
        let mut all = Vec::new();
        for source in self.sources(&pauses(matters.idp_pause)) {
            for paused in pauses(matters.pause) {
                for current in CURRENT {
                    for &was_rejected_at_once in may_be(matters.vain) {
                        for &has_lost in may_be(matters.lost) {
                            for &names_scopes in may_be(matters.rejection == Rejection::Scope) {
                                for &anonymous in may_be(matters.rejection == Rejection::Forbidden)
                                {
                                    all.push(Facts {
                                        source: source.clone(),
                                        paused: paused.clone(),
                                        anonymous,
                                        names_scopes,
                                        current: Current {
                                            has_lost,
                                            was_rejected_at_once,
                                            ..current
                                        },
                                        ..self.plain()
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
        if !self.proves {
            return all;
        }
        let proofs = BOTH.into_iter().flat_map(|one| {
            [
                ProofDemand::Nonce { is_fresh: one },
                ProofDemand::Refused { by_clock: one },
            ]
        });
        all.extend(proofs.map(|proof| Facts {
            proof,
            ..self.plain()
        }));
        all
    }
}

/// What the current credential may be, compared with the rejected one.
const CURRENT: [Current; 6] = {
    let same = Current {
        is_other: false,
        is_usable: true,
        covers: false,
        has_lost: false,
        was_rejected_at_once: false,
    };
    let other = Current {
        is_other: true,
        ..same
    };
    let unusable = Current {
        is_usable: false,
        ..other
    };
    [
        same,
        Current {
            covers: true,
            ..same
        },
        other,
        Current {
            covers: true,
            ..other
        },
        unusable,
        Current {
            covers: true,
            ..unusable
        },
    ]
};

/// Which facts make a difference in a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Matters {
    rejection: Rejection,
    pause: bool,
    idp_pause: bool,
    vain: bool,
    lost: bool,
}

impl Matters {
    fn of(state: &Walker, plain: &Facts<()>) -> Self {
        let before = state.situation(plain);
        let differs = |facts: Facts<()>| state.situation(&facts) != before;
        let failed = Some(Tried::Failed(Attempt::Refused, ()));
        let with = |current: Current| Facts {
            current,
            ..plain.clone()
        };
        Self {
            rejection: state.rejection(),
            // If more scope is required, a pause concerns only the means for that.
            pause: state.rejection() == Rejection::Scope
                || differs(Facts {
                    paused: failed.clone(),
                    ..plain.clone()
                }),
            idp_pause: matches!(plain.source, Source::Enterprise { .. })
                && differs(Facts {
                    source: Source::Enterprise {
                        id_token: false,
                        renewable: true,
                        paused: failed,
                    },
                    ..plain.clone()
                }),
            vain: differs(with(Current {
                was_rejected_at_once: true,
                ..Current::default()
            })),
            lost: matches!(plain.source, Source::Person { .. })
                && differs(with(Current {
                    has_lost: true,
                    ..Current::default()
                })),
        }
    }
}

/// Returns all possible results of a step; none if it ends the recovery.
fn events(step: Step, world: World) -> Vec<Event<()>> {
    match step {
        Step::Renew(Means::IdpSession, _) => tried().map(Event::IdpSessionRenewed).to_vec(),
        Step::Renew(means, ask) => {
            let renewals = tried().map(Renewal::Tried).into_iter();
            let renewals = renewals.chain([Renewal::Overtaken]);
            let events = renewals.flat_map(|renewal| {
                BOTH.map(|is_offline| Event::Renewed {
                    means,
                    ask,
                    renewal: renewal.clone(),
                    is_offline,
                })
            });
            events.collect()
        }
        Step::CheckIssuer => [IssuerCheck::Same, IssuerCheck::Moved]
            .map(Event::IssuerChecked)
            .to_vec(),
        Step::Adopt => vec![Event::Adopted],
        // The user is asked and, if they agree, authorizes at once, or the token is minted.
        Step::AskConsent => asked(),
        // A host that hands the challenge in shows the question itself, and calls again with the user's consent.
        Step::ConfirmStepUp if world.returns => asked(),
        Step::Authorize(_, Scoping::Union) => {
            vec![Event::Authorized(Scoping::Union), Event::Declined]
        }
        Step::Authorize(_, ask) => vec![Event::Authorized(ask)],
        Step::Retry
        | Step::RetryWithNonce
        | Step::PassThrough
        | Step::Defer
        | Step::ConfirmStepUp
        | Step::Fail(_) => Vec::new(),
    }
}

fn asked() -> Vec<Event<()>> {
    vec![
        Event::Consented,
        Event::Declined,
        Event::Authorized(Scoping::Union),
    ]
}

/// The most that can follow after a state.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
struct Ahead {
    /// Steps.
    steps: u16,
    /// Times that the request is sent again.
    sends: u16,
    /// Times that the user authorizes.
    pages: u16,
    /// Times that the user is asked or sent somewhere.
    questions: u16,
    /// Requests for a new credential.
    renewals: u16,
}

impl Ahead {
    fn most(self, other: Self) -> Self {
        Self {
            steps: self.steps.max(other.steps),
            sends: self.sends.max(other.sends),
            pages: self.pages.max(other.pages),
            questions: self.questions.max(other.questions),
            renewals: self.renewals.max(other.renewals),
        }
    }

    fn after(self, step: Step) -> Self {
        let is = u16::from;
        Self {
            steps: self.steps + 1,
            sends: self.sends + is(matches!(step, Step::Retry | Step::RetryWithNonce)),
            pages: self.pages,
            questions: self.questions + is(asks(step)),
            renewals: self.renewals + is(matches!(step, Step::Renew(..))),
        }
    }
}

struct Walk {
    world: World,
    plain: Facts<()>,
    facts: HashMap<Matters, Vec<Facts<()>>>,
    /// What can follow after each visited state; `None` while it is being visited.
    known: HashMap<Walker, Option<Ahead>>,
}

impl Walk {
    fn new(world: World) -> Self {
        Self {
            world,
            plain: world.plain(),
            facts: HashMap::new(),
            known: HashMap::new(),
        }
    }

    /// Returns what can follow after a state. A state that occurs twice on one path is a loop.
    fn from(&mut self, state: &Walker) -> Ahead {
        match self.known.get(state) {
            Some(Some(ahead)) => return *ahead,
            Some(None) => panic!("a loop through {state:#?}"),
            None => {}
        }
        self.known.insert(state.clone(), None);
        let matters = Matters::of(state, &self.plain);
        let facts = self.facts.entry(matters);
        let facts = facts.or_insert_with(|| self.world.facts(matters));
        let steps: HashSet<Step> = facts.iter().map(|facts| state.next(facts)).collect();
        let mut most = Ahead::default();
        for step in steps {
            self.check(step);
            let mut ahead = Ahead::default();
            for (next, is_page) in self.next(state, step) {
                let mut beyond = self.from(&next);
                beyond.pages += u16::from(is_page);
                ahead = ahead.most(beyond);
            }
            most = most.most(ahead.after(step));
        }
        if let Some(next) = self.with_another_id_token(state) {
            most = most.most(self.from(&next));
        }
        self.known.insert(state.clone(), Some(most));
        most
    }

    /// Returns the states that a step leads to, and whether through the user's authorization.
    fn next(&self, state: &Walker, step: Step) -> Vec<(Walker, bool)> {
        let with = |event: Event<()>| {
            let mut next = state.clone();
            next.record(event);
            next
        };
        let again = |state: &Walker| {
            let states = self.sent_again(state).into_iter();
            states.map(|state| (state, false)).collect()
        };
        match step {
            Step::Retry => again(&with(Event::Retried)),
            Step::RetryWithNonce => again(&with(Event::ProvedAgain)),
            step => {
                let events = events(step, self.world).into_iter();
                let events = events.map(|event| {
                    let is_page = matches!(event, Event::Authorized(_));
                    (with(event), is_page)
                });
                events.collect()
            }
        }
    }

    /// The request is sent again, maybe renewed before, and rejected again. If a host has handed the challenge in, it
    /// begins anew.
    fn sent_again(&self, state: &Walker) -> Vec<Walker> {
        if !self.world.returns {
            return Vec::new();
        }
        let ahead = tried().map(Renewal::Tried).into_iter();
        let ahead = ahead.chain([Renewal::Overtaken]).map(|renewal| {
            let mut state = state.clone();
            state.record(Event::RenewedAhead(renewal));
            state
        });
        let sent = ahead.chain([state.clone()]);
        sent.flat_map(|state| rejected(&state)).collect()
    }

    fn with_another_id_token(&self, state: &Walker) -> Option<Walker> {
        let mut next = state.clone();
        next.record(Event::IdTokenReplaced);
        (self.world.kind == Kind::Enterprise && next != *state).then_some(next)
    }

    fn check(&self, step: Step) {
        let ambient = self.world.trigger == Trigger::Ambient;
        assert!(!(asks(step) && ambient), "{step:?} where no caller waits");
    }
}

fn asks(step: Step) -> bool {
    matches!(
        step,
        Step::AskConsent | Step::ConfirmStepUp | Step::Authorize(..)
    )
}

/// Returns each rejection that may follow.
fn rejected(state: &Walker) -> Vec<Walker> {
    let rejections = REJECTIONS.into_iter().flat_map(|rejection| {
        let [other, same] = BOTH.map(|repeats| {
            let mut state = state.clone();
            state.begin(rejection, repeats, false);
            state
        });
        let same = (same != other).then_some(same);
        std::iter::once(other).chain(same)
    });
    rejections.collect()
}

fn walked(world: World) -> (Ahead, usize) {
    let mut walk = Walk::new(world);
    // A lower limit on adoptions takes fewer of the same transitions in a row.
    let fresh = match (world.kind, world.permissions.max_step_ups) {
        _ if world.proves => Walker::with_adoptions(0),
        (Kind::Enterprise, 1) => Walker::with_adoptions(0),
        (_, 1) | (Kind::Enterprise, _) => Walker::with_adoptions(1),
        _ => Walker::new(),
    };
    let mut most = Ahead::default();
    let mut starts = walk.sent_again(&fresh);
    starts.extend(rejected(&fresh));
    for rejection in REJECTIONS {
        let mut agreed = fresh.clone();
        agreed.begin(rejection, false, true);
        starts.push(agreed);
    }
    for start in starts {
        most = most.most(walk.from(&start));
    }
    (most, walk.known.len())
}

#[test]
fn every_way_ends_whatever_happens() {
    let worlds = Mutex::new(worlds());
    let walks = || {
        let mut all = (Ahead::default(), 0);
        while let Some(world) = { worlds.lock().expect("no loop").pop() } {
            let (most, states) = walked(world);
            let pages = 1 + u16::from(world.permissions.max_step_ups);
            assert!(most.pages <= pages, "{most:?} in {world:?}");
            // One question and one page for each rejection.
            let questions = 2 * (1 + most.sends);
            assert!(most.questions <= questions, "{most:?} in {world:?}");
            all = (all.0.most(most), all.1 + states);
        }
        all
    };
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(walks);
        (walks(), other.join().expect("no loop"))
    });
    let (most, states) = (one.0.most(other.0), one.1 + other.1);
    println!("{states} states; at the most, {most:?}");
    assert!(states > 100_000, "only {states} states");
    assert!(most.steps <= 40 && most.sends <= 9, "{most:?}");
}
