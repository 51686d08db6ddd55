//! Reading a JSON document that is at one of several addresses.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::freshness::fresh_for;
use super::lenient;
use crate::error::Error;
use crate::http::{HttpError, Limited, is_redirect, location, same_origin};

/// A search for a document. Another address may have it where one has something else: gateways send unknown paths to
/// a sign-in page, single-page applications answer any path with their own, and proxies fail for paths they do not
/// know.
pub(crate) struct Search<'a> {
    http: &'a Limited,
    asked: Vec<String>,
    /// An address whose server could not be reached: no other address there can be.
    unreachable: Option<String>,
    /// The first failure, other than that there is nothing.
    failure: Option<Error>,
    /// The first page in the place of a document.
    page: Option<Error>,
    /// For how many seconds the document that was read last is fresh.
    fresh_for: u64,
}

/// No address has the document, and each said so.
pub(crate) struct Nowhere {
    /// There was a page in its place, so that it is not certain.
    pub(crate) page: Option<Error>,
}

/// What is at an address.
enum Document<T> {
    Found(T),
    Absent,
    /// Something else, and what is wrong with it.
    Page(Error),
}

impl<'a> Search<'a> {
    pub(crate) fn new(http: &'a Limited) -> Self {
        Self {
            http,
            asked: Vec::new(),
            unreachable: None,
            failure: None,
            page: None,
            fresh_for: 0,
        }
    }

    /// The document at `url`, if it is there and `check` accepts it.
    pub(crate) async fn at<T: DeserializeOwned>(
        &mut self,
        url: &str,
        check: impl FnOnce(&T) -> Result<(), Error>,
    ) -> Option<T> {
        let unreachable = self.unreachable.as_deref();
        let silent = unreachable.is_some_and(|other| same_origin(other, url));
        if silent || self.asked.iter().any(|asked| asked == url) {
            return None;
        }
        self.asked.push(url.to_owned());
        let found = match self.read(url).await {
            Ok(Document::Found(found)) => check(&found).map(|()| found),
            Ok(Document::Absent) => return None,
            Ok(Document::Page(page)) => {
                self.page.get_or_insert(page);
                return None;
            }
            Err(error) => Err(error),
        };
        found.map_err(|error| self.fail(error)).ok()
    }

    /// For how many seconds the document that was found need not be read again.
    pub(crate) fn fresh_for(&self) -> u64 {
        self.fresh_for
    }

    /// Notes that there is no document for this reason.
    pub(crate) fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    /// Why there is no document so far, but for an address that has none.
    pub(crate) fn trouble(&self) -> Option<&Error> {
        self.failure.as_ref().or(self.page.as_ref())
    }

    /// Ends a search that found nothing.
    ///
    /// # Errors
    /// The first failure: with it, nothing is known of whether there is a document.
    pub(crate) fn end(self) -> Result<Nowhere, Error> {
        let page = self.page;
        self.failure.map_or(Ok(Nowhere { page }), Err)
    }

    async fn read<T: DeserializeOwned>(&mut self, url: &str) -> Result<Document<T>, Error> {
        let response = self.http.get_json(url).await.map_err(|error| {
            if is_silence(&error) {
                self.unreachable = Some(url.to_owned());
            }
            error.at(url)
        })?;
        let status = response.status();
        if is_temporary(status) {
            return Err(Error::http(url, format!("the server answered {status}")));
        }
        if is_redirect(status) {
            let target = location(url, response.headers());
            let error = HttpError::redirect(target.as_deref().unwrap_or("nowhere"));
            return Ok(Document::Page(error.at(url)));
        }
        if !status.is_success() {
            return Ok(Document::Absent);
        }
        self.fresh_for = fresh_for(response.headers());
        let body = response.body();
        let is_object = lenient::json(body).is_some_and(|value| value.is_object());
        if !is_object {
            let page = Error::metadata(url, "it is no JSON document");
            return Ok(Document::Page(page));
        }
        serde_json::from_slice(body)
            .map(Document::Found)
            .map_err(|error| Error::metadata(url, error.to_string()))
    }
}

/// The server did not answer.
fn is_silence(error: &HttpError) -> bool {
    matches!(error, HttpError::Connection { .. } | HttpError::Timeout(_))
}

/// Whether a status says nothing of what is there.
fn is_temporary(status: StatusCode) -> bool {
    let temporary = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_server_error() || temporary.contains(&status)
}
