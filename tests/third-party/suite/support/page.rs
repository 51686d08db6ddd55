//! What a user sees of a page: its heading, the form, and the links.

use html5gum::{StartTag, Token, Tokenizer};

#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) heading: String,
    pub(super) form: Option<Form>,
    /// The links, with their texts.
    pub(super) links: Vec<(String, String)>,
}

#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) action: String,
    pub(super) inputs: Vec<Input>,
    /// The names and values of its buttons. The first button with a name agrees.
    pub(super) buttons: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) value: String,
}

/// The element that the next text belongs to.
enum Place {
    Heading,
    Link,
    Elsewhere,
}

impl Page {
    pub(super) fn read(html: &str) -> Self {
        let mut page = Self::default();
        let mut place = Place::Elsewhere;
        for Ok(token) in Tokenizer::new(html) {
            match token {
                Token::StartTag(tag) => place = page.open(&tag),
                Token::EndTag(_) => place = Place::Elsewhere,
                Token::String(text) => {
                    let text = String::from_utf8_lossy(&text);
                    match place {
                        Place::Heading => page.heading.push_str(&text),
                        Place::Link => page.links.last_mut().expect("a link").1.push_str(&text),
                        Place::Elsewhere => {}
                    }
                }
                _ => {}
            }
        }
        page
    }

    fn open(&mut self, tag: &StartTag<()>) -> Place {
        match tag.name.as_slice() {
            b"h1" => return Place::Heading,
            b"a" => {
                self.links.push((attribute(tag, "href"), String::new()));
                return Place::Link;
            }
            b"form" => {
                assert!(self.form.is_none(), "one form is all a person expects");
                assert_eq!(attribute(tag, "method").to_lowercase(), "post");
                self.form = Some(Form {
                    action: attribute(tag, "action"),
                    inputs: Vec::new(),
                    buttons: Vec::new(),
                });
            }
            b"button" => {
                let button = (attribute(tag, "name"), attribute(tag, "value"));
                if let Some(form) = &mut self.form {
                    form.buttons.push(button);
                }
            }
            b"input" => {
                let form = self.form.as_mut().expect("a form around the input");
                form.inputs.push(Input {
                    name: attribute(tag, "name"),
                    kind: attribute(tag, "type"),
                    value: attribute(tag, "value"),
                });
            }
            _ => {}
        }
        Place::Elsewhere
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> String {
    let value = tag.attributes.get(name.as_bytes());
    value.map_or_else(String::new, |value| {
        String::from_utf8_lossy(value).into_owned()
    })
}
