//! The arguments of a tool call, from the command line.

use rmcp::model::JsonObject;
use serde_json::{Map, Value};

use crate::args::CallArgs;
use crate::failure::Failure;

/// The nesting depth to which references and unions in a schema are followed.
const MAX_DEPTH: usize = 16;

/// One `--arg NAME=VALUE` option.
struct Argument {
    name: String,
    text: String,
    /// The text parsed as JSON, if it is valid JSON.
    json: Option<Value>,
}

/// The tool arguments from the command line.
pub(crate) enum Arguments {
    Object(Map<String, Value>),
    Pairs(Pairs),
}

/// Arguments given one by one, with `--arg`.
pub(crate) struct Pairs(Vec<Argument>);

impl Arguments {
    pub(crate) fn read(args: &CallArgs) -> Result<Self, Failure> {
        let Some(json) = &args.args else {
            let pairs = args.arg.iter().map(|pair| Argument::read(pair));
            return Ok(Self::Pairs(Pairs(pairs.collect::<Result<_, _>>()?)));
        };
        match serde_json::from_str(json) {
            Ok(Value::Object(object)) => Ok(Self::Object(object)),
            Ok(_) => Err(Failure::Usage(
                "--args: this is not a JSON object".to_owned(),
            )),
            Err(error) => Err(Failure::Usage(format!("--args: this is not JSON: {error}"))),
        }
    }
}

impl Pairs {
    /// Whether a value needs the tool's schema to be interpreted: `7` may be a number or a string.
    pub(crate) fn are_ambiguous(&self) -> bool {
        self.0.iter().any(Argument::is_ambiguous)
    }

    /// Converts the values to the types in the tool's schema. Without a schema, a value is JSON if it parses, otherwise
    /// text.
    ///
    /// # Errors
    /// [`Failure::Usage`] when an ambiguous value fits the schema neither as JSON nor as text.
    pub(crate) fn resolve(
        self,
        tool: &str,
        schema: Option<&JsonObject>,
    ) -> Result<Map<String, Value>, Failure> {
        let schema = schema.map(|schema| Value::Object(schema.clone()));
        let pair = |argument: Argument| {
            let name = argument.name.clone();
            Ok((name, argument.resolve(tool, schema.as_ref())?))
        };
        self.0.into_iter().map(pair).collect()
    }
}

impl Argument {
    fn read(pair: &str) -> Result<Self, Failure> {
        let (name, text) = pair
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::Usage(format!("--arg {pair}: write it as NAME=VALUE")))?;
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            json: serde_json::from_str(text).ok(),
        })
    }

    fn is_ambiguous(&self) -> bool {
        self.json.as_ref().is_some_and(|json| !json.is_string())
    }

    fn resolve(self, tool: &str, schema: Option<&Value>) -> Result<Value, Failure> {
        let text = Value::String(self.text);
        let Some(json) = self.json else {
            return Ok(text);
        };
        let known = schema.and_then(|root| Some((root, property(root, root, &self.name, 0)?)));
        let Some((root, schema)) = known.filter(|_| !json.is_string()) else {
            return Ok(json);
        };
        match (fits(root, schema, &json, 0), fits(root, schema, &text, 0)) {
            (true, _) => Ok(json),
            (false, true) => Ok(text),
            (false, false) => Err(Failure::Usage(format!(
                "--arg {}={}: the tool {tool} takes {} here; use --args to send any value",
                self.name,
                text.as_str().unwrap_or_default(),
                wanted(schema)
            ))),
        }
    }
}

/// Describes the types that a schema accepts.
fn wanted(schema: &Value) -> String {
    let types = match &schema["type"] {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    let types = match types.as_slice() {
        [] => "something else".to_owned(),
        types => types.join(" or "),
    };
    mcp_reauth::wording::displayable(&types)
}

/// Finds the schema of one argument in the schema of the tool.
fn property<'a>(root: &'a Value, schema: &'a Value, name: &str, depth: usize) -> Option<&'a Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    if let Some(own) = schema.get("properties").and_then(|all| all.get(name)) {
        return Some(own);
    }
    if let Some(target) = referenced(root, schema) {
        return property(root, target, name, depth + 1);
    }
    let parts = ["allOf", "anyOf", "oneOf"].into_iter();
    let parts = parts.filter_map(|keyword| schema.get(keyword)?.as_array());
    let found = parts
        .flatten()
        .find_map(|part| property(root, part, name, depth + 1));
    let others = || schema.get("additionalProperties").filter(|s| s.is_object());
    found.or_else(others)
}

/// Resolves a reference within the document (JSON Schema 2020-12, section 8.2.3).
fn referenced<'a>(root: &'a Value, schema: &Value) -> Option<&'a Value> {
    root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
}

/// Whether a value fits a schema, judged by types and fixed values only. The server checks the rest.
fn fits(root: &Value, schema: &Value, value: &Value, depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return true;
    }
    let part = |schema: &Value| fits(root, schema, value, depth + 1);
    let Value::Object(keywords) = schema else {
        return schema != &Value::Bool(false);
    };
    keywords.iter().all(|(keyword, is)| match keyword.as_str() {
        "type" => match is {
            Value::String(name) => is_of(value, name) || is_nullable(schema, value),
            Value::Array(names) => names
                .iter()
                .any(|name| name.as_str().is_none_or(|name| is_of(value, name))),
            _ => true,
        },
        "const" => is == value,
        "enum" => is.as_array().is_none_or(|values| values.contains(value)),
        "anyOf" | "oneOf" => is.as_array().is_none_or(|parts| parts.iter().any(part)),
        "allOf" => is.as_array().is_none_or(|parts| parts.iter().all(part)),
        "$ref" => referenced(root, schema).is_none_or(part),
        _ => true,
    })
}

/// Whether the value is `null` and an OpenAPI-style schema allows it.
fn is_nullable(schema: &Value, value: &Value) -> bool {
    value.is_null() && schema["nullable"] == true
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        // 1.0 is an integer as well (JSON Schema 2020-12 Validation, section 6.1.1).
        "integer" => match value.as_f64() {
            Some(number) => number.fract() == 0.0,
            None => false,
        },
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The value that `value=TEXT` sends if the argument's schema is `schema`.
    fn sent(schema: &Value, text: &str) -> Option<Value> {
        let root = json!({ "type": "object", "properties": { "value": schema } });
        sent_to(&root, text)
    }

    fn sent_to(root: &Value, text: &str) -> Option<Value> {
        let argument = Argument::read(&format!("value={text}")).expect("a pair");
        argument.resolve("tool", Some(root)).ok()
    }

    #[test]
    fn a_text_is_sent_as_text_and_all_else_as_json() {
        let string = json!({ "type": "string" });
        for text in [
            "7",
            "-1.5e3",
            "true",
            "null",
            "[1]",
            "{\"a\":1}",
            "two words",
            "",
        ] {
            assert_eq!(sent(&string, text), Some(json!(text)), "{text}");
        }
        for (name, text, value) in [
            ("integer", "7", json!(7)),
            ("integer", "7.0", json!(7.0)),
            ("number", "7.5", json!(7.5)),
            ("boolean", "true", json!(true)),
            ("array", "[1]", json!([1])),
            ("object", "{\"a\":1}", json!({ "a": 1 })),
            ("null", "null", json!(null)),
        ] {
            assert_eq!(sent(&json!({ "type": name }), text), Some(value), "{name}");
        }
    }

    #[test]
    fn a_union_takes_json_where_it_can_and_text_where_it_cannot() {
        for (schema, text, value) in [
            (json!({ "type": ["string", "null"] }), "null", json!(null)),
            (json!({ "type": ["string", "null"] }), "7", json!("7")),
            (json!({ "type": ["string", "integer"] }), "7", json!(7)),
            (
                json!({ "type": ["string", "integer"] }),
                "7.5",
                json!("7.5"),
            ),
            (
                json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
                "7",
                json!("7"),
            ),
            (
                json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }),
                "7",
                json!(7),
            ),
            (
                json!({ "oneOf": [{ "type": "boolean" }, { "type": "string" }] }),
                "7",
                json!("7"),
            ),
            (
                json!({ "allOf": [{ "type": "string" }, { "minLength": 1 }] }),
                "7",
                json!("7"),
            ),
            (json!({ "enum": ["7", "8"] }), "7", json!("7")),
            (json!({ "enum": [7, 8] }), "7", json!(7)),
            (json!({ "const": "7" }), "7", json!("7")),
            (
                json!({ "type": "string", "nullable": true }),
                "null",
                json!(null),
            ),
        ] {
            assert_eq!(sent(&schema, text), Some(value), "{schema} {text}");
        }
    }

    #[test]
    fn what_fits_neither_way_is_refused() {
        for (schema, text) in [
            (json!({ "type": "integer" }), "7.5"),
            (json!({ "type": "integer" }), "true"),
            (json!({ "type": "array" }), "7"),
            (json!({ "type": ["boolean", "null"] }), "7"),
            (json!({ "enum": ["a", "b"] }), "7"),
            (json!(false), "7"),
        ] {
            assert_eq!(sent(&schema, text), None, "{schema} {text}");
        }
    }

    #[test]
    fn references_are_followed_and_what_is_not_said_is_json() {
        let root = json!({
            "$defs": { "name": { "type": "string" }, "loop": { "$ref": "#/$defs/loop" } },
            "properties": { "value": { "$ref": "#/$defs/name" } },
        });
        assert_eq!(sent_to(&root, "7"), Some(json!("7")));
        for root in [
            json!({}),
            json!({ "properties": {} }),
            json!({ "properties": { "value": {} } }),
            json!({ "properties": { "value": true } }),
            json!({ "properties": { "value": { "type": "strange" } } }),
            json!({ "properties": { "value": { "$ref": "#/$defs/none" } } }),
            json!({ "properties": { "value": { "$ref": "#/properties/value" } } }),
            json!({ "properties": { "other": { "type": "string" } } }),
            json!({ "properties": "wrong", "allOf": 7 }),
        ] {
            assert_eq!(sent_to(&root, "7"), Some(json!(7)), "{root}");
        }
        for root in [
            json!({ "additionalProperties": { "type": "string" } }),
            json!({ "allOf": [{ "properties": { "value": { "type": "string" } } }] }),
        ] {
            assert_eq!(sent_to(&root, "7"), Some(json!("7")), "{root}");
        }
    }

    #[test]
    fn texts_and_quoted_texts_are_not_ambiguous() {
        for (text, ambiguous) in [
            ("hello", false),
            ("\"7\"", false),
            ("", false),
            ("007", false),
            ("7", true),
            ("null", true),
            ("{}", true),
        ] {
            let argument = Argument::read(&format!("value={text}")).expect("a pair");
            assert_eq!(argument.is_ambiguous(), ambiguous, "{text}");
        }
    }
}
