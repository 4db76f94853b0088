//! The files of each crate stand in layers: types below, what acts on them above.

mod entry_points;
mod graph;

use std::collections::BTreeSet;
use std::path::Path;

use self::graph::Module;
pub(crate) use self::graph::{Graph, module};

const CRATES: [&str; 9] = [
    "src",
    "crates/admin/src",
    "crates/bench/src",
    "crates/service/src",
    "crates/session/src",
    "crates/sys/src",
    "crates/transport/src",
    "crates/wire/src",
    "rust-client/src",
];

fn graph(dir: &str) -> Graph {
    Graph::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir))
}

fn show(circle: &BTreeSet<Module>) -> String {
    circle.iter().map(|module| module.join("::")).collect::<Vec<_>>().join(", ")
}

#[test]
fn no_module_of_the_gateway_uses_one_that_uses_it() {
    let circles: Vec<String> = graph("src").folded(1).circles().iter().map(show).collect();
    assert!(circles.is_empty(), "modules use each other:\n{}", circles.join("\n"));
}

#[test]
fn no_file_uses_a_file_that_uses_it() {
    let circles = CRATES.iter().flat_map(|dir| {
        let circles = graph(dir).circles();
        circles.iter().map(|circle| format!("{dir}: {}", show(circle))).collect::<Vec<_>>()
    });
    let circles: Vec<String> = circles.collect();
    assert!(circles.is_empty(), "files use each other:\n{}", circles.join("\n"));
}
