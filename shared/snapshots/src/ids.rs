//! The ids of users, exact and compact.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::error::SnapshotError;

/// A set of ids, numbered in the order in which they came. The texts are in one arena.
#[derive(Debug, Default)]
pub(crate) struct Users {
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    bytes: Vec<u8>,
    ends: Vec<u64>,
    /// A bit for each id, at a position that its hash says: most ids that are not in the set end here.
    filter: Vec<u64>,
}

impl Users {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn text<'a>(bytes: &'a [u8], ends: &[u64], user: u32) -> &'a [u8] {
        let user = user as usize;
        let start = if user == 0 { 0 } else { ends[user - 1] };
        &bytes[offset(start)..offset(ends[user])]
    }

    /// The number of an id, which is added if it is new.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`] for more than 2³² − 1 ids.
    pub(crate) fn insert(&mut self, id: &[u8]) -> Result<u32, SnapshotError> {
        let Self { hasher, table, bytes, ends, .. } = self;
        let hash = hasher.hash_one(id);
        if let Some(&user) = table.find(hash, |&user| Self::text(bytes, ends, user) == id) {
            return Ok(user);
        }
        let user = u32::try_from(ends.len())
            .ok()
            .filter(|&user| user < u32::MAX)
            .ok_or(SnapshotError::TooLarge { what: "users with a reward" })?;
        bytes.extend_from_slice(id);
        ends.push(bytes.len() as u64);
        table.insert_unique(hash, user, |&user| hasher.hash_one(Self::text(bytes, ends, user)));
        Ok(user)
    }

    /// Prepares [`Users::find`] for the ids that are in the set now.
    pub(crate) fn seal(&mut self) {
        let words = (self.len() / 4).next_power_of_two().max(16);
        self.filter = vec![0; words];
        for user in 0..self.ends.len() {
            let Ok(user) = u32::try_from(user) else { return };
            let hash = self.hasher.hash_one(Self::text(&self.bytes, &self.ends, user));
            let (word, bit) = self.filter_position(hash);
            self.filter[word] |= bit;
        }
    }

    /// The number of an id, if it was in the set when it was sealed.
    pub(crate) fn find(&self, id: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        let (word, bit) = self.filter_position(hash);
        if self.filter[word] & bit == 0 {
            return None;
        }
        self.table.find(hash, |&user| Self::text(&self.bytes, &self.ends, user) == id).copied()
    }

    fn filter_position(&self, hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize & (self.filter.len() - 1), 1 << (hash & 63))
    }
}

/// An offset into memory.
#[expect(clippy::cast_possible_truncation, reason = "the arena is in memory, so that its offsets fit")]
fn offset(offset: u64) -> usize {
    offset as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_exact() {
        let mut users = Users::default();
        let ids: Vec<String> = (0..5_000).map(|i| format!("user-{i}")).collect();
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(users.insert(id.as_bytes()).unwrap() as usize, i);
        }
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(users.insert(id.as_bytes()).unwrap() as usize, i);
        }
        assert_eq!(users.len(), 5_000);
        users.seal();
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(users.find(id.as_bytes()).unwrap() as usize, i);
            assert_eq!(users.find(format!("{id}x").as_bytes()), None);
        }
    }

    #[test]
    fn an_empty_set_finds_nothing() {
        let mut users = Users::default();
        users.seal();
        assert_eq!(users.find(b"a"), None);
        assert_eq!(users.find(b""), None);
    }
}
