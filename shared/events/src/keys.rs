//! Files of keys: 16 bytes each, sorted, every one once. They are merged like the runs of a merge sort, never held in a table.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::key::{EventKey, KEY_BYTES};

/// Bytes that are read of a file at once. A multiple of a key's.
pub const BLOCK: u64 = 1 << 20;

/// Keys as a file.
#[must_use]
pub fn encode(keys: impl ExactSizeIterator<Item = EventKey>) -> Bytes {
    let mut file = Vec::with_capacity(keys.len() * KEY_BYTES);
    keys.for_each(|key| file.extend_from_slice(&key.0));
    file.into()
}

/// The keys of a block of a file.
pub fn decode(block: &[u8]) -> impl Iterator<Item = EventKey> + '_ {
    block.chunks_exact(KEY_BYTES).map(|key| {
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(key);
        EventKey(bytes)
    })
}

/// Strikes out of sorted rows those whose keys are in files, which are told one block after another, each file from its
/// beginning.
#[derive(Debug)]
pub struct Filter {
    rows: Vec<(EventKey, u32)>,
    known: Vec<bool>,
    /// The first row that the file at hand may still strike out.
    next: usize,
}

impl Filter {
    /// Of rows in the order of their keys.
    #[must_use]
    pub fn new(rows: Vec<(EventKey, u32)>) -> Self {
        Self { known: vec![false; rows.len()], rows, next: 0 }
    }

    /// The next file begins.
    pub fn begin(&mut self) {
        self.next = 0;
    }

    /// The next block of the file at hand; whether a later one can strike anything out.
    pub fn strike(&mut self, block: &[u8]) -> bool {
        for key in decode(block) {
            while let Some((row, _)) = self.rows.get(self.next)
                && *row < key
            {
                self.next += 1;
            }
            match self.rows.get(self.next) {
                None => return false,
                Some((row, _)) if *row == key => self.known[self.next] = true,
                Some(_) => {}
            }
        }
        true
    }

    /// What is left: the keys in their order, and the rows in the order in which they came.
    #[must_use]
    pub fn finish(self) -> (Vec<EventKey>, Vec<u32>) {
        let left = self.rows.into_iter().zip(self.known).filter(|(_, known)| !known);
        let (keys, mut rows): (Vec<EventKey>, Vec<u32>) = left.map(|(row, _)| row).unzip();
        rows.sort_unstable();
        (keys, rows)
    }
}

/// Merges files, whose blocks are asked for as they are needed.
#[derive(Debug)]
pub struct Merge {
    files: Vec<VecDeque<EventKey>>,
    ended: Vec<bool>,
    merged: Vec<u8>,
    last: Option<EventKey>,
}

impl Merge {
    /// Of so many files.
    #[must_use]
    pub fn new(files: usize) -> Self {
        Self { files: vec![VecDeque::new(); files], ended: vec![false; files], merged: Vec::new(), last: None }
    }

    /// The file whose next block is needed; `None` where all is merged.
    pub fn wants(&mut self) -> Option<usize> {
        loop {
            if let Some(file) = (0..self.files.len()).find(|&file| self.files[file].is_empty() && !self.ended[file]) {
                return Some(file);
            }
            // All files that go on have a key at hand, so that the least of them is the next.
            let least = self.files.iter().enumerate().filter_map(|(file, keys)| Some((*keys.front()?, file))).min()?;
            self.files[least.1].pop_front();
            if self.last != Some(least.0) {
                self.merged.extend_from_slice(&least.0.0);
                self.last = Some(least.0);
            }
        }
    }

    /// The next block of a file; an empty one is its end.
    pub fn give(&mut self, file: usize, block: &[u8]) {
        self.ended[file] = block.is_empty();
        self.files[file].extend(decode(block));
    }

    /// The merged file.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.merged.into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn key(n: u16) -> EventKey {
        let mut bytes = [0; KEY_BYTES];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        EventKey(bytes)
    }

    fn file(keys: &BTreeSet<u16>) -> Bytes {
        encode(keys.iter().map(|n| key(*n)))
    }

    fn sets() -> impl Strategy<Value = Vec<BTreeSet<u16>>> {
        proptest::collection::vec(proptest::collection::btree_set(0_u16..200, 0..60), 0..6)
    }

    proptest! {
        #[test]
        fn a_filter_leaves_what_no_file_has(rows in proptest::collection::btree_set(0_u16..200, 0..60), files in sets()) {
            let mut filter = Filter::new(rows.iter().map(|n| (key(*n), u32::from(1000 - n))).collect());
            for known in &files {
                filter.begin();
                for block in file(known).chunks(5 * KEY_BYTES) {
                    if !filter.strike(block) {
                        break;
                    }
                }
            }
            let left: Vec<u16> = rows.into_iter().filter(|n| !files.iter().any(|file| file.contains(n))).collect();
            let (keys, kept) = filter.finish();
            prop_assert_eq!(keys, left.iter().map(|n| key(*n)).collect::<Vec<_>>());
            prop_assert_eq!(kept, left.iter().rev().map(|n| u32::from(1000 - n)).collect::<Vec<_>>());
        }

        #[test]
        fn a_merge_is_the_union(files in sets(), block in 1_usize..7) {
            let mut merge = Merge::new(files.len());
            let mut blocks: Vec<VecDeque<Vec<u8>>> =
                files.iter().map(|keys| file(keys).chunks(block * KEY_BYTES).map(<[u8]>::to_vec).collect()).collect();
            while let Some(wanted) = merge.wants() {
                let block = blocks[wanted].pop_front().unwrap_or_default();
                merge.give(wanted, &block);
            }
            prop_assert_eq!(merge.finish(), file(&files.into_iter().flatten().collect()));
        }
    }
}
