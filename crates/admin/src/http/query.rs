//! The query of a request.

use std::str::FromStr;

use hyper::StatusCode;
use hyper::http::request::Parts;

use super::reply::Failure;
use crate::Excerpt;

/// The parameters of a request, each at most once.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the parameters of a request, which have to be among `known`.
    pub(super) fn read(head: &Parts, known: &[&str]) -> Result<Self, Failure> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let accepted = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(bad(format!("there is no parameter {}; accepted: {accepted}", Excerpt::new(&name))));
            }
            if parameters.iter().any(|(given, _)| *given == name) {
                return Err(bad(format!("`{name}` is given twice")));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    /// The text of a parameter, if it is given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter, if it is given.
    pub(super) fn value<T: FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, Failure> {
        let parse = |text: &str| text.parse().map_err(|_| refused(name, text, wanted));
        self.get(name).map(parse).transpose()
    }

    /// A number from `least` to `most`, or `default` where it is not given.
    pub(super) fn number(&self, name: &str, (least, most): (usize, usize), default: usize) -> Result<usize, Failure> {
        let wanted = format!("a number from {least} to {most}");
        let number = self.value(name, &wanted)?.unwrap_or(default);
        let text = self.get(name).unwrap_or_default();
        (least..=most).contains(&number).then_some(number).ok_or_else(|| refused(name, text, &wanted))
    }
}

/// The value of a parameter is invalid.
pub(super) fn refused(name: &str, text: &str, wanted: &str) -> Failure {
    bad(format!("`{name}`: {} is not {wanted}", Excerpt::new(text)))
}

/// The request is invalid.
pub(super) fn bad(error: impl Into<String>) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, error)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn query(text: &str) -> Result<Query, String> {
        let head = Request::builder().uri(format!("/api/links?{text}")).body(()).unwrap().into_parts().0;
        Query::read(&head, &["filter", "limit"]).map_err(|failure| failure.error().to_owned())
    }

    fn limit(text: &str) -> Result<usize, String> {
        query(text)?.number("limit", (1, 1000), 100).map_err(|failure| failure.error().to_owned())
    }

    #[test]
    fn parameters_are_decoded() {
        let query = query("filter=client+peer%3D10.0.0.1%3A5&limit=7").unwrap();
        assert_eq!(query.get("filter"), Some("client peer=10.0.0.1:5"));
        assert_eq!(query.get("limit"), Some("7"));
        assert_eq!(super::Query(Vec::new()).get("limit"), None);
    }

    #[test]
    fn what_is_not_known_or_given_twice_is_named() {
        assert_eq!(query("limits=7").unwrap_err(), "there is no parameter \"limits\"; accepted: filter, limit");
        assert_eq!(query("limit=7&limit=8").unwrap_err(), "`limit` is given twice");
    }

    #[test]
    fn numbers_have_a_range() {
        assert_eq!((limit(""), limit("limit=1"), limit("limit=1000")), (Ok(100), Ok(1), Ok(1000)));
        for text in ["0", "1001", "-1", "x", "", "99999999999999999999"] {
            let expected = format!("`limit`: {text:?} is not a number from 1 to 1000");
            assert_eq!(limit(&format!("limit={text}")), Err(expected));
        }
    }
}
