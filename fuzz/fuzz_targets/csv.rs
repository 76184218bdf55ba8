//! A file of a snapshot, read as one that ends in .csv.
#![no_main]

use fulcrum_fuzz::count_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| count_file("csv", data));
