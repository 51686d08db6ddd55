//! Describes why a connection failed in words that a user can act on. The library's error is kept as the cause.

use std::error::Error as StdError;
use std::io;
use std::iter::successors;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::{AlertDescription, CertificateError, Error as Tls};

use super::HttpError;
use super::trust;

/// Converts a reqwest error. `proxy` is the proxy that the request went through.
pub(crate) fn failed(error: reqwest::Error, proxy: Option<&str>) -> HttpError {
    // The URL's query may hold secrets.
    let error = error.without_url();
    let words = in_words(&error);
    let detail = match (proxy, tls_error(&error)) {
        // A TLS error comes from the server at the end of the tunnel.
        (Some(proxy), None) if error.is_connect() => {
            format!("the proxy {proxy} (set in the environment) could not connect: {words}")
        }
        _ => words,
    };
    // A request that could not be built was not sent either.
    let unsent = error.is_connect() || error.is_builder();
    let told = match unsent {
        true => HttpError::unreachable(detail),
        false => HttpError::broken(detail),
    };
    told.caused_by(error)
}

/// Iterates over an error and its causes, from the outside in. The `source` of an `io::Error` is not the error that it
/// holds but that one's source.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let inner = |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        let held = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match held {
            Some(held) => Some(held as &(dyn StdError + 'static)),
            None => error.source(),
        }
    };
    successors(Some(error), inner)
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Tls> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn in_words(error: &reqwest::Error) -> String {
    if error.is_builder() {
        return trust::untrusting(error);
    }
    if let Some(error) = tls_error(error) {
        return tls(error);
    }
    if error.is_timeout() {
        return "no connection could be made in time".to_owned();
    }
    let found = chain(error).find_map(|error| system(error.downcast_ref()?));
    found.unwrap_or_else(|| innermost(error))
}

/// Returns the innermost cause, which says what happened; the outer ones say where.
fn innermost(error: &reqwest::Error) -> String {
    let last = chain(error).skip(1).last().map(ToString::to_string);
    match last {
        None => "the connection failed".to_owned(),
        Some(text) if text.starts_with("invalid HTTP") => "its response is not HTTP".to_owned(),
        Some(text) => text,
    }
}

/// Describes an error of sockets or name resolution.
fn system(error: &io::Error) -> Option<String> {
    let text = error.to_string();
    if text.contains("lookup address information") {
        return Some(match text.contains("emporary failure") {
            true => "its name cannot be looked up at the moment".to_owned(),
            false => "there is no host with that name".to_owned(),
        });
    }
    let words = match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection was refused",
        io::ErrorKind::ConnectionReset => "the connection was reset",
        io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => "the connection broke",
        io::ErrorKind::HostUnreachable => "there is no route to the host",
        io::ErrorKind::NetworkUnreachable => "the network cannot be reached",
        io::ErrorKind::TimedOut => "no connection could be made in time",
        _ => return None,
    };
    Some(words.to_owned())
}

fn tls(error: &Tls) -> String {
    match error {
        Tls::InvalidCertificate(certificate) => wrong(certificate),
        Tls::AlertReceived(alert) => alerted(*alert),
        Tls::PeerIncompatible(_) => NOTHING_IN_COMMON.to_owned(),
        Tls::NoApplicationProtocol => NO_HTTP.to_owned(),
        Tls::InvalidMessage(_) => {
            "it does not use TLS on this port: the URL may need http, or another port".to_owned()
        }
        other => format!("the TLS handshake with it failed ({other})"),
    }
}

const NOTHING_IN_COMMON: &str =
    "it shares no TLS version or cipher with this program, which supports TLS 1.2 and 1.3";
const NO_HTTP: &str = "it supports neither HTTP/1.1 nor HTTP/2";

/// Describes what is wrong with a server's certificate.
fn wrong(certificate: &CertificateError) -> String {
    use CertificateError as Wrong;
    match certificate {
        Wrong::UnknownIssuer => format!(
            "its certificate is not from a trusted authority. {}",
            trust::REMEDY
        ),
        Wrong::Expired => {
            "its certificate has expired, or this machine's clock is wrong".to_owned()
        }
        Wrong::ExpiredContext { time, not_after } => format!(
            "its certificate expired on {}; this machine's clock says {}",
            date(not_after.as_secs()),
            date(time.as_secs())
        ),
        Wrong::NotValidYet => {
            "its certificate is not valid yet, or this machine's clock is wrong".to_owned()
        }
        Wrong::NotValidYetContext { time, not_before } => format!(
            "its certificate is valid from {} on; this machine's clock says {}",
            date(not_before.as_secs()),
            date(time.as_secs())
        ),
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        Wrong::Revoked => "its certificate was revoked".to_owned(),
        Wrong::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            format!("its certificate is self-signed. {}", trust::REMEDY)
        }
        other => format!("its certificate cannot be checked ({})", name_of(other)),
    }
}

/// Describes the alert with which a server ended the handshake (RFC 8446 section 6.2).
fn alerted(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let words = match alert {
        Alert::CertificateRequired => "it requires a client certificate",
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => "it rejects the client certificate, or requires one",
        Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity => {
            NOTHING_IN_COMMON
        }
        Alert::NoApplicationProtocol => NO_HTTP,
        Alert::UnrecognisedName => "it does not know that name",
        other => return format!("it ended the TLS handshake ({other:?})"),
    };
    words.to_owned()
}

/// Returns only the name of another certificate error: its details are for programmers.
fn name_of(certificate: &CertificateError) -> String {
    let text = format!("{certificate:?}");
    let name = text.split(|c: char| !c.is_alphanumeric()).next();
    name.unwrap_or_default()
        .trim_end_matches("Context")
        .to_owned()
}

fn date(seconds: u64) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    httpdate::fmt_http_date(time.unwrap_or(SystemTime::UNIX_EPOCH))
}
