//! Checks or updates the command's rows in the table of the docs, with `others/table.mjs`.

use std::process::Stdio;

use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Mutex;

use super::Outcome;
use super::other::Other;
use crate::support::npm;

/// Serializes the tests' writes to the table.
static TABLE: Mutex<()> = Mutex::const_new(());

pub(super) async fn check(name: &str, other: &Other, outcomes: &[(&str, Outcome)]) {
    let cells: Map<String, Value> = outcomes
        .iter()
        .map(|(situation, requests)| ((*situation).to_owned(), json!(requests)))
        .collect();
    let line = json!({
        "server": name,
        "version": other.about.version,
        "client": "command",
        "cells": cells,
    });
    let _turn = TABLE.lock().await;
    let mut child = Command::new(npm::node())
        .arg(npm::folder().join("others/table.mjs"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("Node starts");
    let mut stdin = child.stdin.take().expect("standard input");
    let written = stdin.write_all(line.to_string().as_bytes()).await;
    written.expect("it is read");
    drop(stdin);
    let status = child.wait().await.expect("an exit status");
    assert!(status.success(), "docs/servers.md says something else");
}
