//! A worker process for tests that need several processes, and that kill them.
//!
//! It reads commands from standard input, line by line, and answers each with one line of JSON.

mod calls;
mod clock;
mod person;
mod writes;

use std::io::Write;

use serde_json::Value;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match args.as_slice() {
            ["calls", store, server, options @ ..] => calls::run(store, server, options).await,
            ["writes", store, size] => writes::run(store, size).await,
            other => {
                panic!("{other:?}: calls STORE SERVER [person] [speed=N], or writes STORE SIZE")
            }
        }
    });
}

/// Sends a line to the test.
fn tell(what: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}").expect("the test listens");
    out.flush().expect("the test listens");
}
