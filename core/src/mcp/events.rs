//! Scans event streams on their way to the reader (server-sent events, HTML section 9.2.6).

use std::mem;

use memchr::memrchr2;

use super::message::mentions_challenge;

/// An event of a stream exceeds the maximum length, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {0} bytes")]
pub struct EventTooLong(pub usize);

/// What to pass on for a chunk of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// Pass the chunk on unchanged, as nearly always.
    AsIs,
    /// Pass these on instead, in order: whole events. The rest of the chunk is kept until its event is complete.
    Pieces(Vec<Piece>),
}

/// A part of a stream, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Events to pass on.
    Pass(Vec<u8>),
    /// An event that may contain a challenge: call [`Exchange::inspect`](super::Exchange::inspect) with its data. If
    /// that returns true, the request is sent again, and the events of the repeated request replace this event and the
    /// rest of the stream; if it fails, [`Exchange::failure`](super::Exchange::failure) replaces them. Otherwise pass
    /// the event on.
    Suspect {
        /// The event.
        event: Vec<u8>,
        /// Its data: a JSON-RPC message.
        data: Vec<u8>,
    },
}

/// Splits the bytes of an event stream into events, passes each event on when it is complete, and holds back those that
/// may contain a challenge. Memory is bounded by the longest event.
#[derive(Debug)]
pub struct EventWatch {
    /// Whether to look for challenges.
    looks: bool,
    max: usize,
    /// The incomplete event.
    held: Vec<u8>,
    /// The last two bytes before the next chunk.
    last: [u8; 2],
}

impl EventWatch {
    /// `looks`: whether the request calls a tool, whose result may contain a challenge; otherwise each event passes.
    /// [`Exchange::events`](super::Exchange::events) sets it.
    #[must_use]
    pub fn new(looks: bool) -> Self {
        Self {
            looks,
            max: super::MAX_ANSWER,
            held: Vec::new(),
            last: [0; 2],
        }
    }

    /// Sets another maximum length of an event, in bytes, than [`MAX_ANSWER`](super::MAX_ANSWER).
    #[must_use]
    pub fn with_max(mut self, max: usize) -> Self {
        self.max = max;
        self
    }

    /// Takes the next chunk, and returns what to pass on.
    ///
    /// # Errors
    /// When an event is too long. The stream is over then: cancel its source.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Watched, EventTooLong> {
        self.check_length(chunk)?;
        let end = self.last_end(chunk);
        let is_whole = self.held.is_empty() && end == chunk.len();
        let byte = |before: usize| self.byte(chunk, chunk.len(), before);
        self.last = [byte(2), byte(1)];
        if is_whole && !(self.looks && mentions_challenge(chunk)) {
            return Ok(Watched::AsIs);
        }
        if end == 0 {
            self.held.extend_from_slice(chunk);
            return Ok(Watched::Pieces(Vec::new()));
        }
        let mut events = mem::take(&mut self.held);
        events.extend_from_slice(&chunk[..end]);
        self.held.extend_from_slice(&chunk[end..]);
        Ok(Watched::Pieces(self.pieces(events)))
    }

    /// Returns what is left when the stream has ended.
    pub fn finish(&mut self) -> Vec<Piece> {
        let rest = mem::take(&mut self.held);
        match rest.is_empty() {
            true => Vec::new(),
            false => self.pieces(rest),
        }
    }

    /// Returns the byte that is `before` bytes before position `at` of the chunk.
    fn byte(&self, chunk: &[u8], at: usize, before: usize) -> u8 {
        match at.checked_sub(before) {
            Some(at) => chunk[at],
            None => self.last[2 + at - before],
        }
    }

    /// Whether an event ends with the byte at position `at` of the chunk: a line end that follows another.
    fn is_end(&self, chunk: &[u8], at: usize) -> bool {
        let is_line_end = |byte| matches!(byte, b'\n' | b'\r');
        let previous = self.byte(chunk, at, 1);
        match chunk[at] {
            b'\r' => is_line_end(previous),
            b'\n' => match previous {
                b'\n' => true,
                b'\r' => is_line_end(self.byte(chunk, at, 2)),
                _ => false,
            },
            _ => false,
        }
    }

    /// Returns the position after the last end of an event in the chunk; 0 if there is none.
    fn last_end(&self, chunk: &[u8]) -> usize {
        let mut until = chunk.len();
        while let Some(at) = memrchr2(b'\n', b'\r', &chunk[..until]) {
            if self.is_end(chunk, at) {
                return at + 1;
            }
            until = at;
        }
        0
    }

    fn check_length(&self, chunk: &[u8]) -> Result<(), EventTooLong> {
        let mut length = self.held.len();
        if length + chunk.len() <= self.max {
            return Ok(());
        }
        for at in 0..chunk.len() {
            length += 1;
            if length > self.max {
                return Err(EventTooLong(self.max));
            }
            if self.is_end(chunk, at) {
                length = 0;
            }
        }
        Ok(())
    }

    /// Returns the events to pass on: together, except for those that may contain a challenge.
    fn pieces(&self, events: Vec<u8>) -> Vec<Piece> {
        if !self.looks || !mentions_challenge(&events) {
            return vec![Piece::Pass(events)];
        }
        let mut pieces = Vec::new();
        let mut passing = Vec::new();
        for event in one_by_one(&events) {
            if !mentions_challenge(event) {
                passing.extend_from_slice(event);
                continue;
            }
            if !passing.is_empty() {
                pieces.push(Piece::Pass(mem::take(&mut passing)));
            }
            pieces.push(Piece::Suspect {
                event: event.to_vec(),
                data: data_of(event),
            });
        }
        if !passing.is_empty() {
            pieces.push(Piece::Pass(passing));
        }
        pieces
    }
}

/// Splits `events` into events, each with its end.
fn one_by_one(events: &[u8]) -> impl Iterator<Item = &[u8]> {
    let cutter = EventWatch::new(false);
    let mut rest = events;
    std::iter::from_fn(move || {
        let end = (0..rest.len()).find(|at| cutter.is_end(rest, *at));
        let mut end = end.map_or(rest.len(), |at| at + 1);
        if rest[..end].ends_with(b"\r") && rest[end..].starts_with(b"\n") {
            end += 1;
        }
        let (event, others) = rest.split_at(end);
        rest = others;
        (!event.is_empty()).then_some(event)
    })
}

/// Returns the data of an event: its `data` lines, joined by newlines.
fn data_of(event: &[u8]) -> Vec<u8> {
    // A stream may begin with a byte order mark.
    let event = event.strip_prefix(b"\xef\xbb\xbf").unwrap_or(event);
    let lines = event.split(|byte| matches!(byte, b'\n' | b'\r'));
    let data = lines.filter_map(|line| {
        let data = line.strip_prefix(b"data:")?;
        Some(data.strip_prefix(b" ").unwrap_or(data))
    });
    data.collect::<Vec<_>>().join(&b'\n')
}

/// Formats a message as an event of a stream.
#[must_use]
pub fn event_of(message: &str) -> String {
    let lines = message.split(['\n', '\r']);
    let mut event: String = lines.map(|line| format!("data: {line}\n")).collect();
    event.push('\n');
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHALLENGED: &str = "data: {\"www_authenticate\"}\n\n";

    /// Returns what passes of a stream in these chunks, and the data of what was held back.
    fn run(watch: &mut EventWatch, chunks: &[&[u8]]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (mut passed, mut suspects) = (Vec::new(), Vec::new());
        let mut take = |pieces: Vec<Piece>| {
            for piece in pieces {
                match piece {
                    Piece::Pass(bytes) => passed.extend(bytes),
                    Piece::Suspect { event, data } => {
                        passed.extend(event);
                        suspects.push(data);
                    }
                }
            }
        };
        for chunk in chunks {
            match watch.push(chunk).expect("it is short") {
                Watched::AsIs => take(vec![Piece::Pass(chunk.to_vec())]),
                Watched::Pieces(pieces) => take(pieces),
            }
        }
        take(watch.finish());
        (passed, suspects)
    }

    #[test]
    fn whole_events_pass_as_they_are() {
        let mut watch = EventWatch::new(true);
        for chunk in [
            "data: a\n\n",
            ": ping\r\n\r\n",
            "data: a\r\rdata: b\n\n",
            "\n",
            "\r\n",
        ] {
            assert_eq!(watch.push(chunk.as_bytes()), Ok(Watched::AsIs), "{chunk:?}");
        }
    }

    #[test]
    fn an_event_passes_when_it_is_whole() {
        let mut watch = EventWatch::new(true);
        let pieces = |text: &str| match text {
            "" => Ok(Watched::Pieces(vec![])),
            text => Ok(Watched::Pieces(vec![Piece::Pass(text.into())])),
        };
        assert_eq!(watch.push(b"data: a"), pieces(""));
        assert_eq!(watch.push(b"\r"), pieces(""));
        assert_eq!(watch.push(b"\n"), pieces(""));
        assert_eq!(watch.push(b"\r\ndata"), pieces("data: a\r\n\r\n"));
        assert_eq!(
            watch.push(b": b\n\ndata: c\n\nda"),
            pieces("data: b\n\ndata: c\n\n")
        );
        assert_eq!(watch.finish(), [Piece::Pass(b"da".to_vec())]);
        assert_eq!(watch.finish(), []);
    }

    #[test]
    fn an_event_that_may_hold_a_challenge_is_held_back() {
        let before = "id: 1\ndata: x\n\n";
        let event = "event: message\r\ndata: {\"a\":\r\ndata:  \"www_authenticate\"}\r\n\r\n";
        let stream = [before, event, "data: y\n\n"].concat();
        let pieces = EventWatch::new(true).push(stream.as_bytes());
        let suspect = Piece::Suspect {
            event: event.into(),
            data: b"{\"a\":\n \"www_authenticate\"}".to_vec(),
        };
        let passes = |text: &str| Piece::Pass(text.into());
        let expected = vec![passes(before), suspect, passes("data: y\n\n")];
        assert_eq!(pieces, Ok(Watched::Pieces(expected)));
        // If the request calls no tool, no event is held back.
        let pieces = EventWatch::new(false).push(stream.as_bytes());
        assert_eq!(pieces, Ok(Watched::AsIs));
        let marked = ["\u{feff}", CHALLENGED].concat();
        let (_, data) = run(&mut EventWatch::new(true), &[marked.as_bytes()]);
        assert_eq!(data, [b"{\"www_authenticate\"}".to_vec()]);
        let (_, rest) = run(&mut EventWatch::new(true), &[&CHALLENGED.as_bytes()[..26]]);
        assert_eq!(rest, [b"{\"www_authenticate\"}".to_vec()]);
    }

    #[test]
    fn an_event_that_is_too_long_ends_the_stream() {
        let watch = || EventWatch::new(false).with_max(10);
        assert_eq!(watch().push(b"12345678\n\n12345678\n\n"), Ok(Watched::AsIs));
        for chunks in [
            vec!["12345678901"],
            vec!["123456789\n\n"],
            vec!["12345", "678901"],
            vec!["12345678\n\n123456789\n\n"],
            vec!["12345", "6789\n", "\n1"],
        ] {
            let mut watch = watch();
            let ends: Vec<_> = chunks
                .iter()
                .map(|chunk| watch.push(chunk.as_bytes()))
                .collect();
            assert_eq!(
                ends.iter().position(Result::is_err),
                Some(chunks.len() - 1),
                "{chunks:?}"
            );
        }
    }

    #[test]
    fn a_message_becomes_an_event() {
        assert_eq!(event_of(r#"{"a":1}"#), "data: {\"a\":1}\n\n");
        let event = event_of("{\n}");
        assert_eq!(event, "data: {\ndata: }\n\n");
        assert_eq!(data_of(event.as_bytes()), b"{\n}");
    }

    proptest! {
        /// However a stream is chunked, all bytes pass in order, each event is found, and none passes in part.
        #[test]
        fn chunks_make_no_difference(
            lines in prop::collection::vec(prop::sample::select(
                vec!["\n", "\r", "\r\n", "data: a\n", "data: www_authenticate\r\n", ": c\r"],
            ), 0..20),
            cuts in prop::collection::vec(0_usize..200, 0..6),
        ) {
            let stream = lines.concat();
            let bytes = stream.as_bytes();
            let mut cuts: Vec<_> = cuts.iter().map(|at| at % (bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut start = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                chunks.push(&bytes[start..cut]);
                start = cut;
            }
            let whole = run(&mut EventWatch::new(true), &[bytes]);
            prop_assert_eq!(&whole.0, bytes);
            prop_assert_eq!(&run(&mut EventWatch::new(true), &chunks), &whole);
            prop_assert_eq!(run(&mut EventWatch::new(false), &chunks), (whole.0, vec![]));
        }
    }
}
