#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| application::fuzzing::import_line(bytes));
