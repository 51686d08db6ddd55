//! Callback addresses on other kinds of machines, and when the usual port is taken: each test in its own network.
//! Separate from the tests that look at sockets of this process, because starting a program holds them for a moment
//! longer.

#![cfg(feature = "loopback")]

mod namespace;
#[allow(dead_code, reason = "parts of it are for the other tests")]
#[path = "../loopback/support.rs"]
mod support;

use std::net::TcpListener;

use mcp_reauth::AuthHost as _;
use mcp_reauth::loopback::DEFAULT_REDIRECT_URI;

use support::{V4, V6, arrives, bind, bound, finish, hold, host, is_free, port_of, sign_in};

const DEFAULT_PORT: u16 = 6276;
const NO_IPV6: &str = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
const NO_IPV4: &str = "ip addr del 127.0.0.1/8 dev lo";

#[tokio::test]
async fn localhost_on_a_machine_without_ipv6() {
    if !namespace::is_own("localhost_on_a_machine_without_ipv6", NO_IPV6) {
        return;
    }
    for port in [0, 7000] {
        arrives(&bound("localhost", port).await, V4).await;
    }
    let held = hold(V4, 7000);
    bind("localhost", 7000).await.expect_err("it is taken");
    drop(held);
    let error = bind("[::1]", 7000).await.expect_err("there is none");
    assert!(
        error.contains("the callback address [::1]:7000 cannot be used"),
        "{error}"
    );
}

#[tokio::test]
async fn localhost_on_a_machine_without_ipv4() {
    if !namespace::is_own("localhost_on_a_machine_without_ipv4", NO_IPV4) {
        return;
    }
    for port in [0, 7000] {
        arrives(&bound("localhost", port).await, V6).await;
    }
    let _held = hold(V6, 7000);
    bind("localhost", 7000).await.expect_err("it is taken");
}

#[tokio::test]
async fn any_free_port_of_localhost_is_free_in_both_families() {
    const FEW: &str = "echo 40000 40015 > /proc/sys/net/ipv4/ip_local_port_range";
    let name = "any_free_port_of_localhost_is_free_in_both_families";
    if !namespace::is_own(name, FEW) {
        return;
    }
    let all_but_one =
        || -> Vec<TcpListener> { (40000..40015).map(|port| hold(V6, port)).collect() };
    let held = all_but_one();
    let listener = bound("localhost", 0).await;
    assert_eq!(port_of(listener.redirect_uri()), 40015);
    // The browser needs a port as well.
    drop(held);
    for ip in [V4, V6] {
        arrives(&listener, ip).await;
    }
    drop(listener);
    let _held = (all_but_one(), hold(V6, 40015));
    let error = bind("localhost", 0).await.expect_err("there is none");
    assert!(error.contains("cannot be used"), "{error}");
}

#[tokio::test]
async fn the_default_address_gives_way_to_another_program() {
    if !namespace::is_own("the_default_address_gives_way_to_another_program", "true") {
        return;
    }
    let host = host(None);
    let usual = host.redirect_uri().await.expect("it is free");
    assert_eq!(usual, DEFAULT_REDIRECT_URI);
    assert!(
        !is_free(V4, DEFAULT_PORT),
        "no other program gets it in between"
    );
    let other = host.redirect_uri().await.expect("there is another");
    assert_eq!(
        other,
        format!("http://127.0.0.1:{}/oauth/callback", port_of(&other))
    );
    assert_ne!(port_of(&other), DEFAULT_PORT);
    // Both can be used for a sign-in, the later one first.
    let waiting = [sign_in(&host, &usual, "a"), sign_in(&host, &other, "b")];
    let [first, second] = waiting;
    finish(second, &other, "b").await;
    finish(first, &usual, "a").await;

    let inspector = hold(V4, DEFAULT_PORT);
    let other = host.redirect_uri().await.expect("there is another");
    assert_ne!(port_of(&other), DEFAULT_PORT);
    let waiting = sign_in(&host, &other, "c");
    finish(waiting, &other, "c").await;
    drop(inspector);
    let usual = host.redirect_uri().await.expect("it is free again");
    assert_eq!(usual, DEFAULT_REDIRECT_URI);
}

#[tokio::test]
async fn a_registered_client_keeps_to_the_default_address() {
    if !namespace::is_own("a_registered_client_keeps_to_the_default_address", "true") {
        return;
    }
    let inspector = hold(V4, DEFAULT_PORT);
    let error = host(None)
        .registered_redirect_uri()
        .await
        .expect_err("it is taken");
    let error = error.to_string();
    assert!(
        error.contains("the callback address 127.0.0.1:6276 cannot be used"),
        "{error}"
    );
    assert!(
        error.contains("End the program that listens there"),
        "{error}"
    );
    assert!(error.contains("pre-registered client"), "{error}");
    drop(inspector);
    // A listener that another sign-in of this process has reserved does not block it.
    let (unregistered, registered) = (host(None), host(None));
    let reserved = unregistered.redirect_uri().await.expect("it is free");
    let usual = registered
        .registered_redirect_uri()
        .await
        .expect("it is free");
    assert_eq!(
        (&*reserved, &*usual),
        (DEFAULT_REDIRECT_URI, DEFAULT_REDIRECT_URI)
    );
    let waiting = sign_in(&registered, &usual, "a");
    finish(waiting, &usual, "a").await;
    let waiting = sign_in(&unregistered, &reserved, "b");
    finish(waiting, &reserved, "b").await;
}
