//! As much of Markdown as the documents use.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file of the repository.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// All Markdown files of the repository, relative to its root.
pub(crate) fn documents() -> Vec<PathBuf> {
    files(&["md"])
}

/// All files of the repository with one of these extensions, relative to its root. Hidden and built folders are left out.
pub(crate) fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(root(), extensions, &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            if !name.starts_with('.') && name != "target" {
                collect(&path, extensions, found);
            }
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted)) {
            found.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
}

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Where it begins, for messages.
    pub(super) line: usize,
    /// What stands behind the fence.
    pub(super) language: String,
    pub(super) text: String,
    /// Why the block is not run, from the comment before it: `<!-- not run: REASON -->`.
    pub(super) not_run: Option<String>,
}

/// The fenced blocks of a document.
pub(super) fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut not_run = None;
    for (index, line) in document.lines().enumerate() {
        match (open.as_mut(), line.strip_prefix("```")) {
            (Some(block), None) => block.text += &format!("{line}\n"),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(language)) => {
                let (language, not_run) = (language.to_owned(), not_run.take());
                open = Some(Block { line: index + 1, language, text: String::new(), not_run });
            }
            (None, None) if line.is_empty() => {}
            (None, None) => {
                let reason = line.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
                not_run = reason.map(str::to_owned);
            }
        }
    }
    assert_eq!(open, None, "a block that does not end");
    blocks
}

/// A document without its blocks and without code in a line: what may hold headings and links.
fn prose(document: &str) -> String {
    let mut prose = String::new();
    let mut fenced = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            prose += &format!("{line}\n");
        }
    }
    prose
}

/// Where the links and pictures of a document lead, those to other sites left out.
pub(super) fn targets(document: &str) -> Vec<String> {
    let prose = prose(document);
    // What is between backquotes may look like a link and is none.
    let outside_of_code: String = prose.split('`').step_by(2).collect();
    let mut targets = Vec::new();
    for (opening, closing) in [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"'), ("href=\"", '"')] {
        let after_openings = outside_of_code.split(opening).skip(1);
        targets.extend(after_openings.map(|rest| rest.split(closing).next().unwrap().to_owned()));
    }
    targets.retain(|target| !target.contains("://") && !target.starts_with("mailto:"));
    targets
}

/// The anchors of a document's headings, as GitHub makes them.
pub(super) fn anchors(document: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for line in prose(document).lines() {
        let Some((_, heading)) = line.split_once("# ").filter(|(hashes, _)| hashes.chars().all(|c| c == '#')) else {
            continue;
        };
        let letters = heading.to_lowercase();
        let letters = letters.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = letters.map(|c| if c == ' ' { '-' } else { c }).collect();
        let times = anchors.iter().filter(|other| **other == anchor).count();
        anchors.push(if times == 0 { anchor } else { format!("{anchor}-{times}") });
    }
    anchors
}
