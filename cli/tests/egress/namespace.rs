//! Runs a test in its own network namespace, isolated from other addresses and name servers.

use std::process::{Command, Output};

/// The result of a test that needs a namespace.
pub(crate) enum Outcome {
    Done,
    /// No namespace can be created, for this reason.
    Skipped(String),
}

/// Runs the ignored test `name` in a namespace with these addresses and 127.0.0.1 as name server.
pub(crate) fn inside(name: &str, addresses: &[&str]) -> Outcome {
    let mut prepare = String::from(
        "set -e\nip link set lo up\n\
         echo 'nameserver 127.0.0.1' >\"$FOLDER/resolv.conf\"\n\
         echo '127.0.0.1 localhost' >\"$FOLDER/hosts\"\n\
         mount --bind \"$FOLDER/resolv.conf\" /etc/resolv.conf\nmount --bind \"$FOLDER/hosts\" /etc/hosts\n",
    );
    for address in addresses {
        prepare += &format!("ip address add {address}/32 dev lo\n");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let unshared = |what: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--mount", "--map-root-user", "sh", "-c"])
            .arg(format!("{prepare}{what}"))
            .env("FOLDER", folder.path());
        command.output()
    };
    match unshared("true") {
        Ok(Output { status, .. }) if status.success() => {}
        Ok(output) => {
            return Outcome::Skipped(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Err(error) => return Outcome::Skipped(format!("unshare: {error}")),
    }
    let program = std::env::current_exe().expect("this program");
    let test = format!(
        "exec {:?} --ignored --exact {name} --nocapture",
        program.display()
    );
    let output = unshared(&test).expect("unshare ran before");
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    println!("{out}{err}");
    assert!(
        output.status.success(),
        "in the namespace: {}",
        output.status
    );
    assert!(out.contains("1 passed"), "no test has the name {name}");
    Outcome::Done
}
