//! Replays the corpus of `fuzz/` without a fuzzer, so that what was found once stays fixed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::path::Path;

#[expect(unreachable_pub, reason = "there it is a library, here a module")]
#[path = "../../../fuzz/src/proxy.rs"]
mod bodies;

#[test]
fn the_proxy_header_corpus_holds() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/proxy_header");
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "the corpus is empty");
    for file in files {
        let input = std::fs::read(&file).unwrap();
        if std::panic::catch_unwind(|| bodies::proxy_header(&input)).is_err() {
            panic!("{} breaks what the target proxy_header asserts", file.display());
        }
    }
}
