//! The pages that a browser shows after the callback. They repeat nothing of the callback, since the session has not
//! yet checked where it came from.

/// The callback was received.
pub(super) fn received() -> String {
    page(
        "You can close this window",
        "The program that sent you here has received the response. Return to it to see the result.",
    )
}

/// No sign-in waits for this callback.
pub(super) fn unexpected() -> String {
    page(
        "Nothing was done",
        crate::wording::lost_authorization_state(),
    )
}

/// Any other request.
pub(super) fn refused(title: &str) -> String {
    page(title, "This address only receives sign-in callbacks.")
}

fn page(title: &str, body: &str) -> String {
    let (title, body) = (escaped(title), escaped(body));
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:20vh auto;max-width:34em;padding:0 1em}}</style>\
         <h1>{title}</h1><p>{body}</p></html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
