//! The log calls a module of the program by one name, in whichever crate it is: lines and filters (`RUST_LOG`) say
//! `fastway::…`.

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Sources that log under another name than that of their module.
const SOURCES: [&str; 4] = ["crates/admin/src", "crates/service/src", "src/app.rs", "src/mux"];

/// What logs a line.
const EVENTS: [&str; 8] = ["trace", "debug", "info", "warn", "error", "event", "enabled", "limited"];

/// What a file logs without a target: that would be the name of its module.
#[derive(Default)]
struct Unnamed(Vec<String>);

impl<'ast> Visit<'ast> for Unnamed {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let name = called.path.segments.last().unwrap().ident.to_string();
        let fields = called.tokens.to_string();
        if EVENTS.contains(&name.as_str()) && !fields.starts_with("target :") {
            self.0.push(format!("{name}!({fields})"));
        }
    }
}

#[test]
fn the_log_calls_every_module_of_the_program_fastway() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let unnamed: Vec<String> = SOURCES.iter().flat_map(|path| sources(root.join(path))).flat_map(unnamed).collect();
    assert!(unnamed.is_empty(), "logged without `target: \"fastway::…\"`:\n{}", unnamed.join("\n"));
}

fn unnamed(file: PathBuf) -> Vec<String> {
    let mut unnamed = Unnamed::default();
    unnamed.visit_file(&syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap());
    unnamed.0.iter().map(|event| format!("{}: {event}", file.display())).collect()
}

fn sources(path: PathBuf) -> Vec<PathBuf> {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().flat_map(|entry| sources(entry.unwrap().path())).collect();
    }
    let is_source = path.extension().is_some_and(|extension| extension == "rs");
    if is_source { vec![path] } else { Vec::new() }
}
