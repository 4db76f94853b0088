//! Looks for bytes that break what `fastway_fuzz::proxy::proxy_header` asserts.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fastway_fuzz::proxy::proxy_header(data));
