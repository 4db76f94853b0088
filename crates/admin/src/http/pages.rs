//! Files for browsers. They are part of the program, hold no data, and are given to everybody; the data they fetch is not.

use super::reply::{Reply, content};

/// A file.
#[derive(Debug)]
pub(super) struct Page {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const PAGES: [Page; 14] = [
    Page { path: "/", kind: HTML, text: include_str!("pages/index.html") },
    Page { path: "/page/page.css", kind: CSS, text: include_str!("pages/page.css") },
    Page { path: "/page/app.js", kind: SCRIPT, text: include_str!("pages/app.js") },
    Page { path: "/page/counts.js", kind: SCRIPT, text: include_str!("pages/counts.js") },
    Page { path: "/page/dom.js", kind: SCRIPT, text: include_str!("pages/dom.js") },
    Page { path: "/page/format.js", kind: SCRIPT, text: include_str!("pages/format.js") },
    Page { path: "/page/graph.js", kind: SCRIPT, text: include_str!("pages/graph.js") },
    Page { path: "/page/kick.js", kind: SCRIPT, text: include_str!("pages/kick.js") },
    Page { path: "/page/samples.js", kind: SCRIPT, text: include_str!("pages/samples.js") },
    Page { path: "/page/stream.js", kind: SCRIPT, text: include_str!("pages/stream.js") },
    Page { path: "/page/tables.js", kind: SCRIPT, text: include_str!("pages/tables.js") },
    Page { path: "/page/token.js", kind: SCRIPT, text: include_str!("pages/token.js") },
    Page { path: "/page/trouble.js", kind: SCRIPT, text: include_str!("pages/trouble.js") },
    Page { path: "/page/workers.js", kind: SCRIPT, text: include_str!("pages/workers.js") },
];

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
