//! Each kind of address is listened at where a browser connects, and where no other program could be instead.

use std::net::SocketAddr;

use crate::support::{V4, V6, arrives, bind, bound, free_port, hold, is_free, port_of};

#[tokio::test]
async fn localhost_is_listened_at_in_both_families() {
    for port in [0, free_port()] {
        let listener = bound("localhost", port).await;
        for ip in [V4, V6, V4] {
            arrives(&listener, ip).await;
        }
    }
}

#[tokio::test]
async fn an_ip_address_is_listened_at_alone() {
    for (host, own, other) in [("127.0.0.1", V4, V6), ("[::1]", V6, V4)] {
        for port in [0, free_port()] {
            let listener = bound(host, port).await;
            let port = port_of(listener.redirect_uri());
            assert!(is_free(other, port) && !is_free(own, port), "{host}");
            arrives(&listener, own).await;
        }
    }
}

#[tokio::test]
async fn localhost_is_refused_where_another_program_holds_either_address() {
    for (theirs, own) in [(V4, V6), (V6, V4)] {
        let port = free_port();
        let held = hold(theirs, port);
        let error = bind("localhost", port).await.expect_err("it is taken");
        let address = SocketAddr::new(theirs, port);
        let expected = format!("the callback address {address} cannot be used");
        assert!(error.contains(&expected), "{error}");
        assert!(
            error.contains("End the program that listens there"),
            "{error}"
        );
        assert!(error.contains("127.0.0.1 and [::1]"), "{error}");
        assert!(is_free(own, port), "nothing is left behind");
        drop(held);
        arrives(&bound("localhost", port).await, own).await;
    }
}

#[tokio::test]
async fn an_ip_address_is_refused_only_for_its_own_sake() {
    for (host, own, other) in [("127.0.0.1", V4, V6), ("[::1]", V6, V4)] {
        let port = free_port();
        let _theirs = hold(other, port);
        arrives(&bound(host, port).await, own).await;
        let held = hold(own, port);
        let error = bind(host, port).await.expect_err("it is taken");
        let expected = format!(
            "the callback address {} cannot be used",
            SocketAddr::new(own, port)
        );
        assert!(error.contains(&expected), "{error}");
        assert!(!error.contains("means both"), "{error}");
        drop(held);
    }
}
