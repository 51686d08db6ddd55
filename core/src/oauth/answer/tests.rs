//! What responses mean, and what is read from them.

use super::*;
use crate::scope::ScopeSet;
use proptest::prelude::*;

fn answer(status: u16, body: &str) -> Result<Tokens, TokenFailure> {
    let mut response = Response::new(body.as_bytes().to_vec());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert(header::RETRY_AFTER, 7.into());
    tokens(&read(Ok(response), SystemTime::UNIX_EPOCH)?, false)
}

#[test]
fn what_answers_mean() {
    let error = |code: &str| format!(r#"{{"error":"{code}","error_description":"why\n"}}"#);
    type Check = fn(&TokenFailure) -> bool;
    let transient: Check =
        |f| matches!(f, TokenFailure::Transient(trouble) if trouble.retry_after == Some(7));
    let no_token: Check = |f| matches!(f, TokenFailure::Transient(_));
    let dead: Check = |f| {
        *f == TokenFailure::InvalidGrant {
            detail: "invalid_grant: why".into(),
        }
    };
    let client: Check = |f| matches!(f, TokenFailure::InvalidClient { .. });
    let gone: Check = |f| matches!(f, TokenFailure::Gone { .. });
    let other: Check = |f| matches!(f, TokenFailure::Other { .. });
    let cases = [
        (400, error("invalid_grant"), dead),
        (200, error("invalid_grant"), dead),
        (404, error("invalid_grant"), dead),
        (
            400,
            r#"{"error":"invalid_grant","error_description":5}"#.into(),
            |f| matches!(f, TokenFailure::InvalidGrant { .. }),
        ),
        (401, error("invalid_client"), client),
        (400, error("invalid_scope"), other),
        (400, error("unauthorized_client"), other),
        (400, error("server_error"), transient),
        (400, error("temporarily_unavailable"), transient),
        (503, error("invalid_grant"), transient),
        (500, String::new(), transient),
        (429, "{}".into(), transient),
        (408, String::new(), transient),
        (425, String::new(), transient),
        (200, "<html>".into(), transient),
        (200, String::new(), transient),
        (200, "[]".into(), transient),
        (302, String::new(), transient),
        (304, String::new(), transient),
        (307, error("invalid_grant"), transient),
        (200, "{}".into(), no_token),
        (200, r#"{"access_token":""}"#.into(), no_token),
        (200, r#"{"access_token":5}"#.into(), no_token),
        (
            200,
            r#"{"access_token":null,"error":"invalid_grant"}"#.into(),
            |f| matches!(f, TokenFailure::InvalidGrant { .. }),
        ),
        (200, r#"{"access_token":"a\r\nX: b"}"#.into(), other),
        (200, r#"{"access_token":"a b"}"#.into(), other),
        (
            200,
            r#"{"access_token":"t","token_type":"mac"}"#.into(),
            other,
        ),
        (
            200,
            r#"{"access_token":"t","token_type":"Bearer\r\nX: y"}"#.into(),
            other,
        ),
        (404, String::new(), gone),
        (405, "<html>".into(), gone),
        (410, r#"{"error":"Gone"}"#.into(), gone),
        (404, r#"{"message":"no route"}"#.into(), gone),
    ];
    for (status, body, check) in cases {
        let failure = answer(status, &body).err();
        assert!(
            failure.as_ref().is_some_and(check),
            "{status} {body}: {failure:?}"
        );
    }
}

#[test]
fn a_rejection_in_other_words_is_one_and_discards_nothing() {
    for status in [400, 401, 403, 409, 422] {
        let answered = format!("it answered {}", StatusCode::from_u16(status).expect("one"));
        for (body, expected) in [
            ("invalid refresh token", "invalid refresh token"),
            (" invalid\u{1b}[2J\n", "invalid[2J"),
            (r#""invalid_grant""#, "invalid_grant"),
            ("", &answered),
            ("<html><p>invalid_grant</p></html>", &answered),
            ("{\"error\":\"invalid_grant\"", &answered),
            ("[\"invalid_grant\"]", &answered),
            ("null", &answered),
            ("{}", &answered),
            (r#"{"error":5}"#, &answered),
            (r#"{"error":{"code":"invalid_grant"}}"#, &answered),
            (r#"{"error":"","error_description":"why"}"#, &answered),
            (r#"{"error":"INVALID"}"#, "INVALID"),
        ] {
            match answer(status, body).err() {
                Some(TokenFailure::Other { detail, .. }) => assert_eq!(detail, expected),
                other => panic!("{status} {body}: {other:?}"),
            }
        }
    }
    let long = "no ".repeat(1000);
    let told = answer(400, &long).err().map(|failure| failure.detail());
    assert_eq!(told.as_deref(), Some("it answered 400 Bad Request"));
}

#[test]
fn lifetimes_in_every_form() {
    for (written, expected) in [
        ("3600", Some(3600)),
        ("\"3600\"", Some(3600)),
        ("\" 3600 \"", Some(3600)),
        ("\"3599.9\"", Some(3599)),
        ("3599.9", Some(3599)),
        ("null", None),
        ("0", None),
        ("0.5", None),
        ("-5", None),
        ("-1e300", None),
        ("\"soon\"", None),
        ("\"inf\"", None),
        ("\"NaN\"", None),
        ("\"\"", None),
        ("{}", None),
        ("[3600]", None),
        ("true", None),
        ("1e300", Some(MAX_LIFETIME)),
        // Out of every range: unknown.
        ("1e400", None),
        ("-1e400", None),
        ("{\"deep\":1e400}", None),
        ("\"1e300\"", Some(MAX_LIFETIME)),
        ("18446744073709551615", Some(MAX_LIFETIME)),
        ("\"99999999999999999999999\"", Some(MAX_LIFETIME)),
    ] {
        let body =
            format!(r#"{{"access_token":"t","token_type":"BEARER","expires_in":{written}}}"#);
        let tokens = answer(200, &body).unwrap_or_else(|f| panic!("{written}: {f:?}"));
        assert_eq!(tokens.expires_in, expected, "{written}");
    }
}

#[test]
fn empty_members_and_strange_types_count_as_absent() {
    for nothing in ["null", "\"\"", "\" \"", "5", "{}", "[]", "true"] {
        let body = format!(
            r#"{{"access_token":"t","token_type":{nothing},"refresh_token":{nothing},"scope":{nothing},"expires_in":null,"id_token":{nothing}}}"#
        );
        let tokens = answer(200, &body).unwrap_or_else(|f| panic!("{nothing}: {f:?}"));
        assert!(tokens.refresh_token.is_none(), "{nothing}");
        assert!(tokens.id_token.is_none(), "{nothing}");
        assert!(!tokens.bound, "{nothing}");
        let requested = ScopeSet::parse("a b");
        assert_eq!(tokens.granted(&requested), requested, "{nothing}");
    }
}

#[test]
fn scopes_in_every_form() {
    for (written, requested, expected) in [
        (r#""a  b a""#, "x", "a b"),
        (r#"" ""#, "x", "x"),
        (r#"["a","b"]"#, "x", "a b"),
        (r#"["a b",5,null,"c"]"#, "x", "a b c"),
        (r#"[5,null,""]"#, "x", "x"),
        (r#"{"a":"b"}"#, "x", "x"),
        // As GitHub writes it.
        (r#""read,write""#, "read write", "read write"),
        (r#""read, write""#, "read write", "read write"),
        (r#""write,read""#, "read write admin", "write read"),
        (r#""read,write""#, "read", "read write"),
        (r#""read,,""#, "read", "read"),
        (r#"["read,write"]"#, "read write", "read write"),
        // A comma is a character like any other if nothing shows that it separates.
        (r#""read,write""#, "x", "read,write"),
        (r#""read,write""#, "read,write read write", "read,write"),
        (r#""a,b c""#, "a,b c", "a,b c"),
        (r#"",""#, "x", ","),
    ] {
        let body = format!(r#"{{"access_token":"t","scope":{written}}}"#);
        let tokens = answer(200, &body).unwrap_or_else(|f| panic!("{written}: {f:?}"));
        let granted = tokens.granted(&ScopeSet::parse(requested));
        assert_eq!(granted, ScopeSet::parse(expected), "{written} {requested}");
    }
    // A list may be longer than any one scope.
    let many: ScopeSet = (0..200)
        .map(|n| format!("scope-{n:04}"))
        .collect::<Vec<_>>()
        .into();
    let joined = Vec::<String>::from(many.clone()).join(",");
    let tokens = answer(
        200,
        &format!(r#"{{"access_token":"t","scope":"{joined}"}}"#),
    );
    let tokens = tokens.unwrap_or_else(|f| panic!("{f:?}"));
    assert_eq!(tokens.granted(&many), many);
}

proptest! {
    #[test]
    fn every_way_to_join_the_requested_scopes_grants_them(
        scopes in proptest::collection::vec("[a-z:/.]{1,8}", 1..8),
        form in 0..4,
    ) {
        let requested = ScopeSet::from(scopes.clone());
        let scope = match form {
            0 => Value::from(scopes.join(" ")),
            1 => Value::from(scopes.join(",")),
            2 => Value::from(scopes.join(", ")),
            _ => Value::from(scopes),
        };
        let body = serde_json::json!({ "access_token": "t", "scope": scope });
        let tokens = answer(200, &body.to_string());
        let tokens = tokens.map_err(|f| TestCaseError::fail(format!("{f:?}")))?;
        prop_assert_eq!(tokens.granted(&requested), requested);
    }

    #[test]
    fn nothing_is_granted_that_the_answer_does_not_name(
        scope in "[ab, ]{0,12}",
        requested in "[ab ]{0,5}",
    ) {
        let requested = ScopeSet::parse(&requested);
        let body = serde_json::json!({ "access_token": "t", "scope": scope });
        let tokens = answer(200, &body.to_string());
        let tokens = tokens.map_err(|f| TestCaseError::fail(format!("{f:?}")))?;
        let granted = tokens.granted(&requested);
        let says_nothing = scope.trim().is_empty();
        prop_assert!(!says_nothing || granted == requested);
        prop_assert!(says_nothing || granted.iter().all(|one| scope.contains(one)));
    }
}

#[test]
fn retry_after_in_both_forms() {
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
    let date = "Sun, 06 Nov 1994 08:49:30 GMT";
    for (value, by, expected) in [
        ("7", None, Some(7)),
        (" 7 ", None, Some(7)),
        ("0", None, Some(0)),
        // The client's clock says 08:49:37.
        ("Sun, 06 Nov 1994 08:51:37 GMT", None, Some(120)),
        ("Sunday, 06-Nov-94 08:51:37 GMT", None, Some(120)),
        ("Sun Nov  6 08:51:37 1994", None, Some(120)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None, Some(0)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", None, Some(0)),
        // The server's says 08:49:30.
        ("Sun, 06 Nov 1994 08:51:37 GMT", Some(date), Some(127)),
        ("Sun, 06 Nov 1994 08:51:37 GMT", Some("soon"), Some(120)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None, Some(MAX_RETRY_AFTER)),
        ("soon", Some(date), None),
        ("-7", None, None),
        ("7.5", None, None),
        ("99999999999", None, Some(MAX_RETRY_AFTER)),
        ("99999999999999999999999", None, Some(MAX_RETRY_AFTER)),
        ("", None, None),
    ] {
        let mut headers = HeaderMap::new();
        let value: http::HeaderValue = value.parse().expect("a value");
        headers.insert(header::RETRY_AFTER, value.clone());
        if let Some(by) = by {
            headers.insert(header::DATE, by.parse().expect("a value"));
        }
        assert_eq!(retry_after(&headers, now), expected, "{value:?} {by:?}");
    }
}
