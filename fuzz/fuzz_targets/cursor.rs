#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    projections::fuzzing::cursor(bytes);
});
