//! Replays the corpora of `fuzz/` without a fuzzer, so that what was found once stays fixed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::path::{Path, PathBuf};

#[expect(unreachable_pub, reason = "there it is a library, here a module")]
#[path = "../../../fuzz/src/wire.rs"]
mod bodies;

#[test]
fn the_frames_corpus_holds() {
    replay("frames", bodies::frames);
}

#[test]
fn the_command_corpus_holds() {
    replay("command", bodies::command);
}

#[test]
fn the_handshake_corpus_holds() {
    replay("handshake", bodies::handshake);
}

fn replay(target: &str, body: fn(&[u8])) {
    let files = corpus(target);
    assert!(!files.is_empty(), "the corpus of {target} is empty");
    for file in files {
        let input = std::fs::read(&file).unwrap();
        if std::panic::catch_unwind(|| body(&input)).is_err() {
            panic!("{} breaks what the target {target} asserts", file.display());
        }
    }
}

fn corpus(target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}
