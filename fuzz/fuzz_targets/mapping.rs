//! A snapshot's `mapping.json`, and JSON lines that it maps: an input is the one, a zero byte and the others.
#![no_main]

use fulcrum_fuzz::count_objects;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    let rows = data.get(end + 1..).unwrap_or_default();
    count_objects(&[("mapping.json", &data[..end]), ("exposures/a.json", rows), ("rewards/a.json", rows)]);
});
