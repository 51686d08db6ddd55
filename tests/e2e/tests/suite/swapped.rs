//! The callbacks of two sign-ins, swapped.

use mcp_reauth::{AuthSession, CallbackParams};
use url::{Url, form_urlencoded};

use crate::support::{Failure, Wire, World, browser, connect_to, tests};

/// Two sessions of different profiles with pending sign-ins, and their callbacks.
async fn two_under_way(world: &World) -> [(AuthSession, String); 2] {
    world.user.goes_elsewhere();
    let mut both = Vec::new();
    for profile in ["one", "two"] {
        let session = world
            .another_session(world.url(), |b| b.profile(profile))
            .await;
        let failure = connect_to(&session, Wire::Stateless)
            .await
            .err()
            .expect("nobody signed in");
        assert_eq!(failure.code, "interaction_required");
        let answer = browser::callback_of(&world.user.last_page().url).await;
        both.push((session, answer));
    }
    both.try_into().expect("two")
}

/// A callback with the value of `name` from another one.
fn with(answer: &str, name: &str, other: &str) -> String {
    let value = |of: &str| {
        let url = Url::parse(of).unwrap();
        url.query_pairs()
            .find(|(n, _)| n == name)
            .unwrap()
            .1
            .into_owned()
    };
    let encode =
        |text: String| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let swapped = answer.replace(&encode(value(answer)), &encode(value(other)));
    assert_ne!(swapped, answer);
    swapped
}

async fn complete(session: &AuthSession, answer: &str) -> Result<(), Failure> {
    let completed = session
        .complete_authorization(CallbackParams::parse(answer))
        .await;
    completed.map_err(|error| Failure::told(&error))
}

tests! {
    /// Each session gets the other's callback: neither uses it, no code is sent, and both keep waiting.
    async fn whole_answers() {
        let world = World::new().await;
        let [(one, first), (two, second)] = two_under_way(&world).await;
        for (session, foreign) in [(&one, &second), (&two, &first)] {
            let refused = complete(session, foreign).await.unwrap_err();
            assert_eq!(refused.code, "state_mismatch");
            assert_eq!(session.connection_state().await.unwrap().pending, 1);
        }
        assert_eq!(world.counters().token_requests, 0);
        for (session, own) in [(&one, &first), (&two, &second)] {
            complete(session, own).await.unwrap();
            assert!(session.authorization().is_some());
        }
    }

    /// A victim's code arrives with the attacker's state: the verifier does not match the code, so the attacker is not
    /// signed in with the victim's grant.
    async fn codes() {
        let world = World::new().await;
        let [(one, first), (_two, second)] = two_under_way(&world).await;
        let refused = complete(&one, &with(&first, "code", &second)).await.unwrap_err();
        assert_eq!(refused.code, "authorization_denied");
        assert!(refused.text.contains("invalid_grant"), "{refused:?}");
        assert!(one.authorization().is_none());
        assert_eq!(world.counters().token_code, 1);
        // The state was used up.
        assert_eq!(complete(&one, &first).await.unwrap_err().code, "state_mismatch");
        assert_eq!(world.counters().token_code, 1);
    }

    /// A used callback is replayed, also to a session that was opened later.
    async fn used_before() {
        let world = World::new().await;
        let [(one, first), _] = two_under_way(&world).await;
        complete(&one, &first).await.unwrap();
        assert_eq!(complete(&one, &first).await.unwrap_err().code, "state_mismatch");
        assert_eq!(world.counters().token_code, 1);
        assert!(one.authorization().is_some());
    }
}
