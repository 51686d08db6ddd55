//! Finds what is wrong with the system's certificate authorities and with the environment's proxies.

use std::env;
use std::fs;

use reqwest::Certificate;
use url::Url;

use super::HttpError;

/// What to do if a server's certificate is not trusted.
pub(super) const REMEDY: &str = "To trust it, add its authority to the system's, or set SSL_CERT_FILE to a file with all trusted authorities";

/// The variable that can name a file of trusted authorities.
const FILE: &str = "SSL_CERT_FILE";

/// The variables that name a proxy.
const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Explains why a TLS client could not be built.
pub(super) fn untrusting(error: &reqwest::Error) -> String {
    let wrong_file = env::var_os(FILE).and_then(|file| {
        let shown = file.to_string_lossy().into_owned();
        match fs::read(&file) {
            Err(error) => Some(format!(
                "{FILE} names {shown}, which cannot be read ({error})"
            )),
            Ok(pem) => {
                let found = Certificate::from_pem_bundle(&pem);
                let none = !found.is_ok_and(|found| !found.is_empty());
                none.then(|| format!("{FILE} names {shown}, which contains no certificate (PEM)"))
            }
        }
    });
    if let Some(wrong_file) = wrong_file {
        return wrong_file;
    }
    let cause = std::error::Error::source(error).map(ToString::to_string);
    match cause {
        Some(cause) if cause.contains("certificates were loaded") => format!(
            "this machine has no certificate authorities, so https cannot be used: install them (the package ca-certificates), or set {FILE} to a file with them"
        ),
        Some(cause) => format!("TLS could not be set up ({cause})"),
        None => "TLS could not be set up".to_owned(),
    }
}

/// Checks the proxies that the environment names.
///
/// # Errors
/// [`HttpError::Connection`] if one of them is invalid.
pub(crate) fn check_proxies() -> Result<(), HttpError> {
    for name in PROXIES {
        // The value may contain a password, so the error does not quote it.
        let value = env::var_os(name).unwrap_or_default();
        if !value.is_empty() && !value.to_str().is_some_and(is_proxy) {
            return Err(HttpError::unreachable(format!(
                "the environment's {name} is not the address of a proxy, such as http://HOST:PORT or socks5://HOST:PORT"
            )));
        }
    }
    Ok(())
}

fn is_proxy(value: &str) -> bool {
    let value = match value.contains("://") {
        true => value.to_owned(),
        false => format!("http://{value}"),
    };
    Url::parse(&value).is_ok_and(|url| {
        let known = SCHEMES.contains(&url.scheme()) && url.host_str().is_some();
        known && ["", "/"].contains(&url.path())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies() {
        for good in [
            "http://proxy.example:3128",
            "https://proxy.example",
            "proxy.example:3128",
            "10.0.0.1:8080",
            "http://anna:secret@proxy.example:3128/",
            "socks5://127.0.0.1:1080",
            "socks5h://127.0.0.1:1080",
            "[::1]:3128",
        ] {
            assert!(is_proxy(good), "{good}");
        }
        for bad in [
            "http://",
            "ftp://proxy.example",
            "htp:/proxy",
            "http://proxy.example:port",
            "none of that",
            ":3128",
        ] {
            assert!(!is_proxy(bad), "{bad}");
        }
    }
}
