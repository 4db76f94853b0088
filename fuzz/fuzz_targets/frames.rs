//! Looks for bytes that break what `fastway_fuzz::wire::frames` asserts.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fastway_fuzz::wire::frames(data));
