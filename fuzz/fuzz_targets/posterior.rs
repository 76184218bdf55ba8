//! A stored posterior. An input that begins with `h` is a header in JSON, a zero byte and the tensors, so that a header may change
//! its length; any other is an object as it is.
#![no_main]

use std::collections::BTreeMap;

use bandit::stored::{Header, decode};
use bandit::{CompileLimits, Policy, PolicyOptions, Seed, draw_row, freeze_row};
use fulcrum_fuzz::space;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| match data.split_first() {
    Some((b'h', rest)) => {
        let end = rest.iter().position(|&byte| byte == 0).unwrap_or(rest.len());
        let mut object = (end as u64).to_le_bytes().to_vec();
        object.extend(&rest[..end]);
        object.extend(rest.get(end + 1..).unwrap_or_default());
        read(&object);
    }
    _ => read(data),
});

fn read(object: &[u8]) {
    if let Ok(header) = Header::parse(object) {
        for name in ["draws", "policy", "state", "mean"] {
            if let Ok(range) = header.range(name) {
                assert!(range.start <= range.end && range.end <= header.object_length());
            }
        }
    }
    let stored = match decode(object) {
        Ok(stored) => stored,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(Policy::from_bytes(&stored.policy.to_bytes()).as_ref(), Ok(&stored.policy));
    // Whether it fits the space of a model is asked when it is used.
    let space = space();
    let options = PolicyOptions {
        bias: &BTreeMap::new(),
        exploration: 1.0,
        minimum_share: 0.0,
        limits: CompileLimits::default(),
        threads: 1,
    };
    let _ = draw_row(&space, &stored.posterior, &options, 0, &Seed::derive(&["fuzz"]));
    let _ = freeze_row(&space, &stored.posterior, 0);
}
