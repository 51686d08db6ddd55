//! The responses to metadata requests, in order, from the resource's metadata to the authorization page's address. They
//! are separated by lines of `--`; the first byte of each selects its status, and the rest of a redirect is its target.
#![no_main]

use http::{HeaderValue, StatusCode, header};
use libfuzzer_sys::fuzz_target;
use mcp_reauth::fuzzing::authorization_url;
use mcp_reauth::http::{Request, Response};
use url::{Host, Url};

const SERVER: &str = "https://mcp.example/team/mcp";

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (named, answers) = text.split_once('\n').unwrap_or(("", &text));
    let answers = answers.split("\n--\n").filter_map(answer).collect();
    let named = Some(named).filter(|named| !named.is_empty());
    match authorization_url(SERVER, named, answers, protected) {
        Ok(url) => {
            let url = Url::parse(&url).expect("it is a URL");
            assert!(is_protected(&url), "{url}");
            assert_eq!(url.fragment(), None);
            let count = |name| url.query_pairs().filter(|(own, _)| own == name).count();
            for name in ["state", "code_challenge"] {
                assert!(count(name) >= 1, "{url}");
            }
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.chars().any(char::is_control), "{text:?}");
            assert!(text.len() < 16 * 1024, "{}", text.len());
        }
    }
});

fn answer(text: &str) -> Option<Response> {
    let status = match text.chars().next()? {
        '3' => StatusCode::FOUND,
        '4' => StatusCode::NOT_FOUND,
        '5' => StatusCode::BAD_GATEWAY,
        _ => StatusCode::OK,
    };
    let body = text.get(1..).unwrap_or_default();
    let mut response = Response::new(body.as_bytes().to_vec());
    *response.status_mut() = status;
    if let Ok(target) = HeaderValue::from_str(body) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    Some(response)
}

/// Asserts that no request is sent over plain http.
fn protected(request: &Request) {
    let url = request.uri().to_string();
    assert!(
        Url::parse(&url).is_ok_and(|url| is_protected(&url)),
        "{url}"
    );
}

fn is_protected(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && here)
}
