//! The files of each crate stand in layers: types below, what acts on them above.

mod entry_points;
mod graph;

use std::collections::BTreeSet;
use std::path::Path;

use self::graph::Module;
pub(crate) use self::graph::{Graph, module};

const CRATES: [&str; 10] = [
    "src",
    "crates/admin/src",
    "crates/bench/src",
    "crates/proxy-protocol/src",
    "crates/service/src",
    "crates/session/src",
    "crates/sys/src",
    "crates/transport/src",
    "crates/wire/src",
    "rust-client/src",
];

/// The parts of the package, each above those that it may use. The library's root, which offers some of them, has no name.
const LAYERS: [&str; 24] = [
    "mux::routing",
    "mux::pool",
    "mux::config",
    "mux::accept",
    "mux::link",
    "mux::drain",
    "mux::worker",
    "mux::observer",
    "mux::auto_limits",
    "mux::ports",
    "mux::gateway",
    "mux::parts",
    "mux",
    "",
    "key_file",
    "cli",
    "config",
    "drain",
    "ctl",
    "orders",
    "systemd",
    "admin_port",
    "serving",
    "app",
];

fn graph(dir: &str) -> Graph {
    Graph::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir))
}

fn show(circle: &BTreeSet<Module>) -> String {
    circle.iter().map(|module| module.join("::")).collect::<Vec<_>>().join(", ")
}

/// The part of the package that a file belongs to: a module of the mux gateway, or of the program.
fn part(module: &Module) -> String {
    let depth = if module.first().is_some_and(|first| first == "mux") { 2 } else { 1 };
    module.iter().take(depth).cloned().collect::<Vec<_>>().join("::")
}

#[test]
fn no_part_of_the_package_uses_one_above_it() {
    let mut wrong = BTreeSet::new();
    for (module, used) in &graph("src").uses {
        let part_of_module = part(module);
        let layer = layer(&part_of_module);
        let parts = used.iter().map(part).filter(|used| *used != part_of_module);
        wrong
            .extend(parts.filter(|used| self::layer(used) > layer).map(|used| format!("{part_of_module} uses {used}")));
    }
    assert!(wrong.is_empty(), "these stand below what they use, in LAYERS: {wrong:?}");
}

fn layer(part: &str) -> usize {
    let layer = LAYERS.iter().position(|layer| *layer == part);
    layer.unwrap_or_else(|| panic!("tests/blackbox/layers.rs does not say where {part:?} stands: add it to LAYERS"))
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
