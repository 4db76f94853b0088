//! Replies: JSON, errors, and the headers on all of them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{Either, Full};
use hyper::body::{Bytes, Frame};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

/// The body of a reply.
pub(super) type Body = Either<Full<Bytes>, EventStream>;
pub(super) type Reply = Response<Body>;

/// The body of a reply that is a stream.
#[derive(Debug)]
pub(super) struct EventStream(pub(super) mpsc::Receiver<Bytes>);

impl hyper::body::Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

/// Headers of every reply. The page may load its own scripts, styles and data, and nothing from elsewhere.
const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// Adds the headers of every reply.
pub(super) fn protected(mut reply: Reply) -> Reply {
    reply.headers_mut().extend(HEADERS.map(|(name, value)| (Some(name), value)));
    reply
}

/// A reply with a body of this type.
pub(super) fn content(kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(body.into())));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// A reply in JSON, with a line end.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(mut text) => {
            text.push(b'\n');
            let mut reply = content("application/json", text);
            *reply.status_mut() = status;
            reply
        }
        Err(error) => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_reply(),
    }
}

/// An error reply: `{"error": "what was wrong and what to do"}`.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    error: String,
    hint: Option<Hint>,
}

/// A header for a failure.
#[derive(Clone, Copy, Debug)]
enum Hint {
    /// The allowed methods.
    Allowed(&'static str),
    /// The way to authenticate.
    Token,
    /// A retry may work in a second.
    Later,
}

impl Failure {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), hint: None }
    }

    /// Too many similar requests are in progress.
    pub(super) fn busy(error: impl Into<String>) -> Self {
        Self { hint: Some(Hint::Later), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, error) }
    }

    /// The method is not one of `allowed`, which has the form of the header `Allow`.
    pub(super) fn method(error: impl Into<String>, allowed: &'static str) -> Self {
        Self { hint: Some(Hint::Allowed(allowed)), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, error) }
    }

    /// The request has no valid token.
    pub(super) fn unauthorized(error: impl Into<String>) -> Self {
        Self { hint: Some(Hint::Token), ..Self::new(StatusCode::UNAUTHORIZED, error) }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn error(&self) -> &str {
        &self.error
    }

    pub(super) fn into_reply(self) -> Reply {
        let mut text = json!({ "error": self.error }).to_string();
        text.push('\n');

        let mut reply = content("application/json", text);
        *reply.status_mut() = self.status;
        reply.headers_mut().extend(self.hint.map(Hint::header));
        reply
    }
}

impl Hint {
    fn header(self) -> (HeaderName, HeaderValue) {
        match self {
            Self::Allowed(methods) => (ALLOW, HeaderValue::from_static(methods)),
            Self::Token => (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"fastway\"")),
            Self::Later => (RETRY_AFTER, HeaderValue::from_static("1")),
        }
    }
}
