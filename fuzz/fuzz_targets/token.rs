//! A response of the token endpoint: a byte that selects the status, then the body.
#![no_main]

use http::StatusCode;
use libfuzzer_sys::fuzz_target;
use mcp_reauth::fuzzing::token_answer;
use mcp_reauth::http::Response;

/// A secret that was sent, which a server may quote in any way.
const SENT: &str = "canary-0123456789";

const STATUSES: [u16; 8] = [200, 200, 201, 400, 401, 302, 429, 503];

fuzz_target!(|data: &[u8]| {
    let Some((&status, body)) = data.split_first() else {
        return;
    };
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let mut response = Response::new(body.to_vec());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    match token_answer(response, SENT) {
        Ok((access, _)) => {
            assert!((200..300).contains(&status));
            let access = access.expose();
            assert!(!access.is_empty() && access.bytes().all(|b| b.is_ascii_graphic()));
        }
        Err((detail, debug)) => {
            for text in [&detail, &debug] {
                assert!(!text.contains(SENT), "{text}");
                assert!(!text.chars().any(char::is_control), "{text:?}");
            }
            // Not even a long prefix, where the text was cut off.
            let cut_off = (8..SENT.len()).any(|cut| detail.ends_with(&SENT[..cut]));
            assert!(!cut_off, "{detail}");
        }
    }
});
