//! The JSON Schema of the forms.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::ErrorForm;
use crate::challenge::AuthChallenge;
use crate::enterprise::IdpState;
use crate::error::{Error, ErrorCode};
use crate::host::{AuthorizationRequest, Event, StepUpRequest};
use crate::oauth::revocation::Revocation;
use crate::session::{ConnectionState, Outcome};
use crate::settings::Settings;

/// Returns the JSON Schema (draft 2020-12) of all forms: an object that may have any of them, each by its name. Forms
/// that other programs read allow further members, so that later versions may add some.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let forms = [
        ("challenge", generator.subschema_for::<AuthChallenge>()),
        ("event", generator.subschema_for::<Event>()),
        ("outcome", generator.subschema_for::<Outcome>()),
        ("error", generator.subschema_for::<ErrorForm>()),
        ("errorCode", generator.subschema_for::<ErrorCode>()),
        (
            "connectionState",
            generator.subschema_for::<ConnectionState>(),
        ),
        (
            "identityProviderState",
            generator.subschema_for::<IdpState>(),
        ),
        ("revocation", generator.subschema_for::<Revocation>()),
        ("stepUpRequest", generator.subschema_for::<StepUpRequest>()),
        (
            "authorizationRequest",
            generator.subschema_for::<AuthorizationRequest>(),
        ),
        ("settings", generator.subschema_for::<Settings>()),
    ];
    let forms = forms.map(|(name, form)| (name.to_owned(), form.to_value()));
    let definitions = generator.take_definitions(true);
    let definitions = definitions.into_iter().map(|(name, definition)| {
        let mut schema = Schema::try_from(definition).unwrap_or_default();
        RecursiveTransform(plain).transform(&mut schema);
        (name, schema.to_value())
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The JSON forms of mcp-reauth",
        "type": "object",
        "properties": Map::from_iter(forms),
        "additionalProperties": false,
        "$defs": Map::from_iter(definitions),
    })
}

/// Removes what has no meaning outside Rust: the links in descriptions, which are documentation comments, and the
/// formats of Rust's integers, which other validators do not know.
fn plain(schema: &mut Schema) {
    schema.remove("format");
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = text_of(description);
    }
}

/// Removes the links from Markdown: `[text](target)` and `[text]` become `text`.
fn text_of(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once('[') {
        text.push_str(before);
        let Some((shown, after)) = link.split_once(']') else {
            rest = link;
            break;
        };
        text.push_str(shown);
        let target = after.strip_prefix('(').and_then(|t| t.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
    }
    text + rest
}

/// The schema of its [form](ErrorForm).
impl JsonSchema for Error {
    fn inline_schema() -> bool {
        ErrorForm::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        ErrorForm::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        ErrorForm::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ErrorForm::json_schema(generator)
    }
}
