//! Which address a sign-in uses when others need it too.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt as _;
use mcp_reauth::AuthHost as _;
use mcp_reauth::loopback::CallbackListener;

use crate::support::{V4, at, finish, free_port, hold, host, is_free, port_of, sign_in, visit};

#[tokio::test]
async fn sign_ins_at_one_address_take_turns() {
    let uri = at(free_port());
    let (first, second) = (host(Some(uri.clone())), host(Some(uri.clone())));
    for host in [&first, &second] {
        assert_eq!(host.redirect_uri().await.expect("it is free"), uri);
    }
    let waiting = [
        sign_in(&first, &uri, "a"),
        sign_in(&second, &uri, "b"),
        sign_in(&second, &uri, "c"),
    ];
    let states = ["a", "b", "c"];
    for (waiting, state) in waiting.into_iter().zip(states) {
        finish(waiting, &uri, state).await;
    }
    assert!(is_free(V4, port_of(&uri)));
}

#[tokio::test]
async fn an_address_in_use_here_is_given_again() {
    let uri = at(free_port());
    let (first, second) = (host(Some(uri.clone())), host(Some(uri.clone())));
    let waiting = sign_in(&first, &uri, "a");
    let unknown = format!("/callback?state={}", "nobody");
    let port = port_of(&uri);
    while tokio::net::TcpStream::connect((V4, port)).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        visit(
            SocketAddr::new(V4, port),
            &format!("127.0.0.1:{port}"),
            &unknown
        )
        .await,
        400
    );
    for given in [
        second.redirect_uri().await,
        second.registered_redirect_uri().await,
    ] {
        assert_eq!(given.expect("it has its turn later"), uri);
    }
    finish(waiting, &uri, "a").await;
}

#[tokio::test]
async fn the_others_go_on_when_one_that_waits_is_cancelled() {
    let uri = at(free_port());
    let first = CallbackListener::bind_in_turn(&uri)
        .await
        .expect("it is free");
    let mut second = Box::pin(CallbackListener::bind_in_turn(&uri));
    let mut third = Box::pin(CallbackListener::bind_in_turn(&uri));
    assert!(second.as_mut().now_or_never().is_none());
    assert!(third.as_mut().now_or_never().is_none());
    drop(second);
    assert!(third.as_mut().now_or_never().is_none());
    drop(first);
    let third = third.await.expect("it is its turn");
    let other = CallbackListener::bind(&uri).await;
    other.expect_err("without a turn, it is taken");
    drop(third);
    assert!(is_free(V4, port_of(&uri)));
}

#[tokio::test]
async fn a_turn_outlasts_what_holds_the_port_for_a_moment() {
    // A program that is being started holds the open sockets of this process until it runs.
    let uri = at(free_port());
    let first = CallbackListener::bind_in_turn(&uri)
        .await
        .expect("it is free");
    let mut second = Box::pin(CallbackListener::bind_in_turn(&uri));
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    let started = hold(V4, port_of(&uri));
    assert!(second.as_mut().now_or_never().is_none());
    drop(started);
    second.await.expect("it is its turn");
}

#[tokio::test(start_paused = true)]
async fn a_turn_does_not_wait_for_another_program() {
    let uri = at(free_port());
    let first = CallbackListener::bind_in_turn(&uri)
        .await
        .expect("it is free");
    let mut second = Box::pin(CallbackListener::bind_in_turn(&uri));
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    let _other = hold(V4, port_of(&uri));
    let begun = tokio::time::Instant::now();
    let error = second.await.expect_err("it is taken");
    assert!(error.to_string().contains("cannot be used"), "{error}");
    assert!(begun.elapsed() <= Duration::from_secs(1));
}

#[tokio::test]
async fn paths_of_one_port_take_turns_as_well() {
    let port = free_port();
    let first = CallbackListener::bind_in_turn(&at(port))
        .await
        .expect("it is free");
    let other = format!("http://localhost:{port}/elsewhere");
    let mut second = Box::pin(CallbackListener::bind_in_turn(&other));
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    assert_eq!(second.await.expect("it is its turn").redirect_uri(), other);
}

#[tokio::test]
async fn what_another_program_holds_is_told_of_and_not_waited_for() {
    let port = free_port();
    let held = hold(V4, port);
    let host = host(Some(at(port)));
    let outcomes = [
        host.redirect_uri().await.map(drop),
        host.registered_redirect_uri().await.map(drop),
        CallbackListener::bind_in_turn(&at(port)).await.map(drop),
        sign_in(&host, &at(port), "a")
            .await
            .expect("it does not panic")
            .map(drop),
    ];
    for outcome in outcomes {
        let error = outcome.expect_err("it is taken").to_string();
        let expected = format!("the callback address 127.0.0.1:{port} cannot be used");
        assert!(error.contains(&expected), "{error}");
        assert!(
            error.contains("End the program that listens there, or choose another"),
            "{error}"
        );
    }
    drop(held);
    assert_eq!(host.redirect_uri().await.expect("it is free"), at(port));
}

#[tokio::test]
async fn an_address_that_was_given_is_held_only_while_a_page_is_shown() {
    let uri = at(free_port());
    let host = host(Some(uri.clone()));
    assert_eq!(host.redirect_uri().await.expect("it is free"), uri);
    assert!(is_free(V4, port_of(&uri)));
}

#[tokio::test]
async fn any_free_port_stays_open_until_its_sign_in_is_over() {
    let host = host(Some(at(0)));
    let uri = host.redirect_uri().await.expect("there is one");
    assert!(!is_free(V4, port_of(&uri)));
    let waiting = sign_in(&host, &uri, "a");
    finish(waiting, &uri, "a").await;
    assert!(is_free(V4, port_of(&uri)));
    let abandoned = host.redirect_uri().await.expect("there is one");
    drop(host);
    assert!(is_free(V4, port_of(&abandoned)), "it ends with its host");
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_shows_no_page_lets_go_of_its_port() {
    let host = host(Some(at(0)));
    let uri = host.redirect_uri().await.expect("there is one");
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(59)).await;
    tokio::task::yield_now().await;
    assert!(!is_free(V4, port_of(&uri)));
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::task::yield_now().await;
    assert!(is_free(V4, port_of(&uri)));
    // The page still comes back to the port that it was given.
    let late = CallbackListener::bind_in_turn(&uri).await;
    assert_eq!(late.expect("it is free").redirect_uri(), uri);
}

#[test]
fn an_address_that_is_no_callback_address_is_refused() {
    for wrong in [
        "https://127.0.0.1/cb",
        "http://10.0.0.1:80/cb",
        "nowhere",
        "http://localhost/cb?x",
    ] {
        let host = host(Some(wrong.to_owned()));
        let refused = host.redirect_uri().now_or_never();
        let error = refused
            .expect("it is known at once")
            .expect_err("it is refused");
        assert_eq!(error.code(), "config", "{wrong}");
    }
}
