//! Programs that do not run on the machine of the user's browser: over SSH, and in containers. The callback reaches
//! only the machine that the browser runs on.

use std::env;
use std::path::Path;

use url::Url;

/// Explains how the browser reaches the callback address, if it does not by itself.
pub(super) fn advice(redirect_uri: &str) -> Option<String> {
    let port = Url::parse(redirect_uri).ok()?.port_or_known_default()?;
    if let Ok(connection) = env::var("SSH_CONNECTION") {
        return Some(over_ssh(
            &connection,
            &env::var("USER").unwrap_or_default(),
            port,
        ));
    }
    let marks = ["/.dockerenv", "/run/.containerenv"];
    let contained = marks.iter().any(|mark| Path::new(mark).exists());
    contained.then(|| {
        format!(
            "This program runs in a container. A browser outside it can reach {redirect_uri} only if the container shares its host's network (--network host)."
        )
    })
}

/// `connection` is `SSH_CONNECTION`: the client's address and port, and the server's.
fn over_ssh(connection: &str, user: &str, port: u16) -> String {
    let host = connection.split(' ').nth(2).filter(|host| !host.is_empty());
    let host = host.unwrap_or("HOST");
    let user = if user.is_empty() { "USER" } else { user };
    format!(
        "This program runs over an SSH connection. To use a browser on your own machine, first run this there, and keep it running: ssh -N -L {port}:127.0.0.1:{port} {user}@{host}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_run() {
        let line = over_ssh("10.0.0.7 50000 10.0.0.2 22", "anna", 6276);
        assert!(
            line.ends_with("ssh -N -L 6276:127.0.0.1:6276 anna@10.0.0.2"),
            "{line}"
        );
        let line = over_ssh("", "", 80);
        assert!(
            line.ends_with("ssh -N -L 80:127.0.0.1:80 USER@HOST"),
            "{line}"
        );
    }
}
