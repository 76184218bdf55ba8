//! A compiled policy: the bytes, and what serving does with whatever they hold.
#![no_main]

use bandit::{Policy, VariantKeys, choose, propensity};
use fulcrum_fuzz::space;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let policy = match Policy::from_bytes(data) {
        Ok(policy) => policy,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    // One policy, one encoding.
    assert_eq!(policy.to_bytes(), data);
    let space = space();
    let keys = VariantKeys::of(&space).expect("the space has keys");
    for (context, row) in policy.iter() {
        assert_eq!(row.iter().map(|(_, count)| u64::from(count)).sum::<u64>(), u64::from(policy.total()));
        if let Some(context) = context {
            assert_eq!(policy.row(context), Some(row));
        }
        if policy.variants() == space.variants() {
            let variant = choose("optimization", "visitor", row, &keys);
            assert!(row.count(variant) > 0);
            let share = propensity(row, variant, 0.1);
            assert!(share > 0.0 && share <= 1.0, "{share}");
        }
    }
});
