//! Organization ids: the form that they have.

/// Whether `text` can be the id of an organization: 1 to 128 ASCII letters, digits and `_`, `-`, `.`, the first of them
/// no `.`. The id becomes a part of keys in both stores, where `/` and `#` separate.
#[must_use]
pub fn is_organization_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_part_of_a_key() {
        for good in ["o", "org_2abc", "4754cae0-9a5d-4691-91af-6d15ccc1f82e", "acme.example", &"x".repeat(128)] {
            assert!(is_organization_id(good), "{good}");
        }
        for bad in ["", ".", "..", ".a", "a/b", "a#b", "../a", "a b", "a\n", "a\0", "ä", &"x".repeat(129)] {
            assert!(!is_organization_id(bad), "{bad:?}");
        }
    }
}
