//! `/api/commands`: the commands of the command file, in JSON.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

use super::app::App;
use super::reply::{Failure, Reply, json};
use crate::{CallError, Outcome};

/// Largest body of a request, in bytes.
const BODY_BYTES: usize = 64 << 10;
/// The time for the body of a request.
const BODY_TIME: Duration = Duration::from_secs(5);
/// Time for all commands of a request.
const COMMANDS_TIME: Duration = Duration::from_secs(30);

/// The body of a request: commands, in order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandList {
    commands: Vec<String>,
}

/// The body of an answer.
#[derive(Debug, Serialize)]
struct OutcomesView {
    results: Vec<OutcomeView>,
}

/// The outcome of a command.
#[derive(Debug, Serialize)]
struct OutcomeView {
    command: String,
    /// Its output, also if it failed later.
    answer: String,
    /// The error, if it failed.
    error: Option<String>,
}

impl App {
    /// The list of commands.
    pub(super) fn commands(&self) -> Reply {
        json(StatusCode::OK, &json!({ "commands": self.caller.commands() }))
    }

    /// Runs commands, and returns the outcome of each. The status is that of success only if none failed.
    pub(super) async fn run_commands(&self, head: &Parts, body: Incoming) -> Result<Reply, Failure> {
        let commands = read(head, body).await?;
        let caller = self.caller.clone();
        let outcomes = self.commands.run(move || caller.run(commands, COMMANDS_TIME)).await??;

        let status = match outcomes.iter().any(|outcome| outcome.error.is_some()) {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::OK,
        };
        Ok(json(status, &OutcomesView { results: outcomes.into_iter().map(OutcomeView::from).collect() }))
    }
}

impl From<Outcome> for OutcomeView {
    fn from(Outcome { command, answer, error }: Outcome) -> Self {
        Self { command, answer, error }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Busy => Self::busy(error.to_string()),
            CallError::Late(_) => Self::new(StatusCode::GATEWAY_TIMEOUT, error.to_string()),
            CallError::Ended => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

async fn read(head: &Parts, body: Incoming) -> Result<Vec<String>, Failure> {
    let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let error = "commands are taken as JSON only: send `Content-Type: application/json`";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    parse(&collect(body).await?).map_err(|error| Failure::new(StatusCode::BAD_REQUEST, error))
}

async fn collect(body: Incoming) -> Result<Bytes, Failure> {
    let too_long =
        || Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {BODY_BYTES} bytes"));
    if body.size_hint().lower() > BODY_BYTES as u64 {
        return Err(too_long());
    }

    let late = |_| Failure::new(StatusCode::REQUEST_TIMEOUT, format!("the body was not there within {BODY_TIME:?}"));
    let collected = timeout(BODY_TIME, Limited::new(body, BODY_BYTES).collect()).await.map_err(late)?;
    collected.map(|body| body.to_bytes()).map_err(|error| match error.is::<LengthLimitError>() {
        true => too_long(),
        false => Failure::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")),
    })
}

fn parse(body: &[u8]) -> Result<Vec<String>, String> {
    let CommandList { commands } = serde_json::from_slice(body)
        .map_err(|error| format!("{error}; expected JSON such as {{\"commands\": [\"stats\", \"links client\"]}}"))?;

    if commands.is_empty() {
        return Err("`commands` is empty; `help` is one".to_owned());
    }
    match commands.iter().position(|command| command.trim().is_empty() || command.contains(char::is_control)) {
        Some(index) => Err(format!("command {index} (from 0) is empty, or more than one line")),
        None => Ok(commands),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_lines_in_json() {
        assert_eq!(parse(br#"{"commands": ["stats", " links client "]}"#).unwrap(), ["stats", " links client "]);
        for (body, part) in [
            ("", "EOF while parsing"),
            ("stats", "expected value"),
            ("[\"stats\"]", "expected JSON such as {\"commands\""),
            ("{\"commands\": \"stats\"}", "expected a sequence"),
            ("{\"commands\": [1]}", "expected a string"),
            ("{\"commands\": [\"stats\"], \"more\": 1}", "unknown field `more`"),
            ("{\"commands\": []}", "`commands` is empty"),
            ("{\"commands\": [\"stats\", \" \"]}", "command 1 (from 0) is empty"),
            ("{\"commands\": [\"stats\\nkick 1\"]}", "more than one line"),
        ] {
            let error = parse(body.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{body}: {error}");
        }
    }
}
