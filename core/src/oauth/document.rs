//! Reads a JSON document that is at one of several URLs.

use http::StatusCode;
use serde::de::DeserializeOwned;

use super::freshness::fresh_for;
use super::lenient;
use crate::error::Error;
use crate::http::{GuardedClient, HttpError, is_redirect, location, same_origin};

/// A search for a document. If one URL returns something else, another may have the document: gateways send unknown
/// paths to a sign-in page, single-page applications answer any path with their own page, and proxies fail for unknown
/// paths.
pub(crate) struct Search<'a> {
    http: &'a GuardedClient,
    asked: Vec<String>,
    /// A URL whose server could not be reached: other URLs of the same origin are not tried.
    unreachable: Option<String>,
    /// The first failure, other than an absent document.
    failure: Option<Error>,
    /// The first page that was returned in place of a document.
    page: Option<Error>,
    /// For how many seconds the document that was read last is fresh.
    fresh_for: u64,
}

/// No URL has the document, and each server said so.
pub(crate) struct NotFound {
    /// A page was returned in its place, so that its absence is not certain.
    pub(crate) page: Option<Error>,
}

/// What a URL returns.
enum Document<T> {
    Found(T),
    Absent,
    /// Something else, and an error that describes it.
    Page(Error),
}

impl<'a> Search<'a> {
    pub(crate) fn new(http: &'a GuardedClient) -> Self {
        Self {
            http,
            asked: Vec::new(),
            unreachable: None,
            failure: None,
            page: None,
            fresh_for: 0,
        }
    }

    /// Returns the document at `url`, if it exists and `check` accepts it.
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

    /// For how many seconds the document that was found is fresh.
    pub(crate) fn fresh_for(&self) -> u64 {
        self.fresh_for
    }

    /// Records why there is no document.
    pub(crate) fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    /// Returns why no document was found so far, except that URLs had none.
    pub(crate) fn trouble(&self) -> Option<&Error> {
        self.failure.as_ref().or(self.page.as_ref())
    }

    /// Ends a search that found nothing.
    ///
    /// # Errors
    /// The first failure: after one, it is unknown whether the document exists.
    pub(crate) fn end(self) -> Result<NotFound, Error> {
        let page = self.page;
        self.failure.map_or(Ok(NotFound { page }), Err)
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
            let page = Error::metadata(url, "it is not a JSON object");
            return Ok(Document::Page(page));
        }
        serde_json::from_slice(body)
            .map(Document::Found)
            .map_err(|error| Error::metadata(url, error.to_string()))
    }
}

/// Whether the server did not respond.
fn is_silence(error: &HttpError) -> bool {
    matches!(error, HttpError::Connection { .. } | HttpError::Timeout(_))
}

/// Whether a status says nothing about the document.
fn is_temporary(status: StatusCode) -> bool {
    let temporary = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_server_error() || temporary.contains(&status)
}
