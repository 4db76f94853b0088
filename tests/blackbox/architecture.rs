//! The pages on the architecture and the decisions against the tree: the files that they name, and a frame's way through
//! them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::layers::{Graph, module};
use crate::readme::markdown::{documents, files, read, root};

/// The folders of pages in which whatever looks like a file is one.
const FOLDERS: [&str; 2] = ["docs/architecture", "docs/decisions"];
const MAP: &str = "docs/architecture/README.md";
const DATA_PATH: &str = "docs/architecture/data-path.md";

/// The heading above the list of a frame's way, one file an item.
const WAY: &str = "## The way of a frame";
/// As many files as somebody can keep in mind.
const LONGEST_WAY: usize = 7;

/// Folders whose files stand on the map one by one.
const MAPPED: [&str; 7] =
    ["src", "src/mux", "src/mux/accept", "src/mux/link", "src/mux/routing", "src/mux/worker", "src/mux/worker/accept"];

/// Endings of the files that the pages name.
const ENDINGS: [&str; 10] = ["rs", "go", "cs", "js", "sh", "json", "md", "svg", "toml", "yml"];

fn pages() -> Vec<PathBuf> {
    let is_page = |document: &PathBuf| FOLDERS.iter().any(|folder| document.starts_with(folder));
    let pages: Vec<_> = documents().into_iter().filter(is_page).collect();
    assert!(FOLDERS.iter().all(|folder| pages.iter().any(|page| page.starts_with(folder))), "{pages:?}");
    pages
}

/// The files and folders that a page names, in prose, tables and drawings. A folder ends with a slash.
fn named_in(page: &str) -> impl Iterator<Item = &str> {
    let words = page.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_')));
    words.map(|word| word.trim_end_matches('.')).filter(|word| {
        let is_file = word.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
        is_file || word.ends_with('/') && word.len() > 1
    })
}

#[test]
fn every_file_that_the_pages_name_exists() {
    let mut missing = Vec::new();
    for page in pages() {
        for name in named_in(&read(&page)) {
            // A link is relative to its page; whatever else is named, to the root.
            let beside = page.parent().unwrap().join(name);
            if !root().join(name).exists() && !root().join(beside).exists() {
                missing.push(format!("{}: {name}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "named and not there:\n{}", missing.join("\n"));
}

#[test]
fn every_file_of_the_mux_gateway_stands_on_the_map() {
    let map = read(MAP);
    let named: BTreeSet<&Path> = named_in(&map).map(Path::new).collect();
    let is_mapped = |file: &PathBuf| {
        let is_part = file.parent().is_some_and(|folder| MAPPED.iter().any(|mapped| folder == Path::new(mapped)));
        is_part && !file.ends_with("mod.rs")
    };
    let missing: Vec<_> =
        files(&["rs"]).into_iter().filter(is_mapped).filter(|file| !named.contains(&**file)).collect();
    assert!(missing.is_empty(), "{MAP} does not name {missing:?}");
}

/// The files of a frame's way, in their order.
fn way() -> Vec<String> {
    let page = read(DATA_PATH);
    let (_, section) = page.split_once(WAY).unwrap_or_else(|| panic!("{DATA_PATH} has no heading {WAY:?}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let items = section.lines().filter_map(|line| {
        let (number, item) = line.split_once(". `")?;
        number.parse::<u32>().ok()?;
        Some(item.split('`').next()?.to_owned())
    });
    items.collect()
}

#[test]
fn a_frame_passes_seven_files_at_most_and_they_exist() {
    let way = way();
    assert!((2..=LONGEST_WAY).contains(&way.len()), "{way:?}");
    for file in &way {
        assert!(root().join(file).is_file(), "{file} is not there");
    }
}

/// What a file of the way does is done by files that come later; none of them knows of one that comes before.
#[test]
fn a_frame_goes_one_way() {
    let way = way();
    let modules: Vec<_> = way.iter().map(|file| module(file.strip_prefix("src/").unwrap_or(file))).collect();
    let graph = Graph::read(&root().join("src"));
    for (later, file) in modules.iter().enumerate() {
        let uses = graph.uses.get(file).unwrap_or_else(|| panic!("{} is no file of the gateway", way[later]));
        for (earlier, before) in modules[..later].iter().enumerate() {
            assert!(!uses.contains(before), "{} uses {}, which comes before it", way[later], way[earlier]);
        }
    }
}
