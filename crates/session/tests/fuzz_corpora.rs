//! Replays the corpora of `fuzz/` that are about sessions without a fuzzer, so that what was found once stays fixed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::path::{Path, PathBuf};

#[expect(unreachable_pub, reason = "there it is a library, here a module")]
#[path = "../../../fuzz/src/session.rs"]
mod bodies;

#[test]
fn the_session_hello_corpus_holds() {
    replay("session_hello", bodies::hello);
}

#[test]
fn the_session_reply_corpus_holds() {
    replay("session_reply", bodies::reply);
}

#[test]
fn the_session_records_corpus_holds() {
    replay("session_records", bodies::records);
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
