//! Which objects are merged: those of about one size, eight at a time, so that a byte is written anew once for each factor of
//! eight that its object grows.

use chrono::{DateTime, TimeDelta, Utc};

use crate::manifest::{KeyFile, Manifest};
use crate::part::Part;

/// So many of about one size become one.
const FAN_IN: usize = 8;
/// The sizes begin here, in bytes, and each is eight times the one before.
const SMALLEST: u64 = 256 * 1024;
/// A merged part has at most so many bytes.
pub const MOST_PART: u64 = 128 * 1024 * 1024;
/// A merged file of keys has at most so many bytes.
pub const MOST_KEYS: u64 = 64 * 1024 * 1024;
/// A day to which nothing was added for so long is over.
const SETTLED: TimeDelta = TimeDelta::hours(6);

/// The class of a size.
fn class(size: u64) -> u32 {
    let mut class = 0;
    let mut limit = SMALLEST;
    while size >= limit {
        limit *= FAN_IN as u64;
        class += 1;
    }
    class
}

/// Cuts a list into runs that have at most so many bytes together; those of one member alone are left out.
fn packed<T>(members: Vec<(T, u64)>, most: u64) -> Vec<Vec<T>> {
    let (mut all, mut pack, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (member, size) in members {
        if bytes + size > most && !pack.is_empty() {
            all.push(std::mem::take(&mut pack));
            bytes = 0;
        }
        bytes += size;
        pack.push(member);
    }
    all.push(pack);
    all.retain(|pack| pack.len() > 1);
    all
}

/// Which of the members of one group are merged, given their sizes.
fn merges<T>(members: Vec<(T, u64)>, most: u64, settled: bool) -> Vec<Vec<T>> {
    let mut small: Vec<(T, u64)> = members.into_iter().filter(|(_, size)| *size < most / 2).collect();
    if settled {
        return packed(small, most);
    }
    small.sort_by_key(|(_, size)| class(*size));
    let mut classes: Vec<Vec<(T, u64)>> = Vec::new();
    for member in small {
        match classes.last_mut() {
            Some(last) if class(last[0].1) == class(member.1) => last.push(member),
            _ => classes.push(vec![member]),
        }
    }
    classes.into_iter().filter(|members| members.len() >= FAN_IN).flat_map(|members| packed(members, most)).collect()
}

/// The parts that are merged now.
pub(crate) fn of_parts(manifest: &Manifest, now: DateTime<Utc>) -> Vec<Vec<Part>> {
    let mut parts: Vec<&Part> = manifest.parts.iter().collect();
    parts.sort_by(|a, b| (&a.partition, &a.key).cmp(&(&b.partition, &b.key)));
    let groups = parts.chunk_by(|a, b| a.partition == b.partition);
    let of_group = |group: &[&Part]| {
        let settled = group.iter().all(|part| now - part.written_at > SETTLED);
        merges(group.iter().map(|part| ((*part).clone(), part.size)).collect(), MOST_PART, settled)
    };
    groups.flat_map(of_group).collect()
}

/// The files of keys that are merged now.
pub(crate) fn of_keys(manifest: &Manifest, now: DateTime<Utc>) -> Vec<Vec<KeyFile>> {
    let mut files: Vec<&KeyFile> = manifest.keys.iter().collect();
    files.sort_by(|a, b| (a.kind, a.day, &a.key).cmp(&(b.kind, b.day, &b.key)));
    let groups = files.chunk_by(|a, b| (a.kind, a.day) == (b.kind, b.day));
    let of_group = |group: &[&KeyFile]| {
        let settled = (now.date_naive() - group[0].day).num_days() > 1;
        merges(group.iter().map(|file| ((*file).clone(), file.size)).collect(), MOST_KEYS, settled)
    };
    groups.flat_map(of_group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(sizes: &[u64], settled: bool) -> Vec<Vec<u64>> {
        merges(sizes.iter().map(|size| (*size, *size)).collect(), MOST_PART, settled)
    }

    #[test]
    fn eight_of_about_one_size_become_one() {
        assert!(sizes(&[1; 7], false).is_empty());
        assert_eq!(sizes(&[1; 9], false), [vec![1; 9]]);
        // Seven of one size and seven of another are left.
        assert!(sizes(&[[1; 7], [SMALLEST; 7]].concat(), false).is_empty());
    }

    #[test]
    fn a_day_that_is_over_ends_as_few() {
        let large = 100 * 1024 * 1024;
        assert_eq!(sizes(&[large, 1, 2, 3], true), [vec![1, 2, 3]]);
        assert!(sizes(&[large, 1], true).is_empty());
        let third = MOST_PART / 3;
        assert_eq!(sizes(&[third; 7], true), [vec![third; 3], vec![third; 3]]);
    }

    /// The bytes written for n objects of one size that come one after another: each at most once for each class.
    #[test]
    fn a_byte_is_rewritten_a_few_times() {
        let (mut objects, mut written) = (Vec::new(), 0);
        for arriving in std::iter::repeat_n(20_000_u64, 4_096) {
            objects.push(arriving);
            loop {
                let found = sizes(&objects, false);
                let Some(group) = found.first() else { break };
                let total: u64 = group.iter().sum();
                for size in group {
                    objects.remove(objects.iter().position(|other| other == size).unwrap());
                }
                written += total;
                objects.push(total);
            }
        }
        let incoming = 4_096 * 20_000;
        assert!(written <= 4 * incoming, "{written} of {incoming}");
        assert!(objects.len() < 4 * FAN_IN, "{objects:?}");
    }
}
