//! Files for browsers. They are part of the program, hold no data, and are given to everybody; the data they fetch is not.

use super::reply::{Reply, content};

/// A file.
#[derive(Debug)]
pub(super) struct Page {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const PAGES: [Page; 1] = [Page { path: "/", kind: "text/html; charset=utf-8", text: include_str!("pages/index.html") }];

impl Page {
    /// The file at a path.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        const ALL: &[Page] = &PAGES;
        ALL.iter().find(|page| page.path == path)
    }

    pub(super) fn reply(&self) -> Reply {
        content(self.kind, self.text)
    }
}
