//! The users of a snapshot: when and how each was first seen, and what they earned.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bandit::evaluation::UserSums;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::cube::{Cube, CubeKey, Periods};

/// Parts of the table, each under a lock of its own.
const SHARDS: usize = 64;
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Users by day of first exposure, arm, and variant and context first seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UserGroup {
    /// Day of the first exposure in the snapshot, in UTC, as days since 1970.
    pub day: i64,
    /// Whether they are held out.
    pub held_out: bool,
    /// The variant first seen.
    pub variant: usize,
    /// The context first seen.
    pub context: u64,
    /// Users.
    pub users: u64,
    /// Users credited with something other than 0.
    pub converting: u64,
    /// Σ y, reward units. y is 0 or 1 for a bool reward, else the sum of what the user's exposures were credited with.
    pub sum: f64,
    /// Σ y².
    pub sum_sq: f64,
}

/// What users came to by a guardrail's reward, by day of first exposure and arm; how many they are, the groups of users say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardrailGroup {
    /// Day of the first exposure in the snapshot, in UTC, as days since 1970.
    pub day: i64,
    /// Whether they are held out.
    pub held_out: bool,
    /// Users credited with something other than 0.
    pub converting: u64,
    /// Σ y, reward units of the guardrail. y is 0 or 1 for a bool reward, else the sum of what the user's exposures were credited with.
    pub sum: f64,
    /// Σ y².
    pub sum_sq: f64,
}

/// All users of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct UserTable {
    /// In the order of (day, arm, variant, context).
    pub groups: Vec<UserGroup>,
    /// For each guardrail, in the order of (day, arm), the groups that have any of its rewards.
    pub guardrails: Vec<Vec<GuardrailGroup>>,
    /// Exposures and rewards per user, of the optimized users and of the holdout.
    pub sums: [UserSums; 2],
    /// How many users have how many exposures.
    pub exposures: BTreeMap<u64, u64>,
    /// Users who saw more than one variant.
    pub several_variants: u64,
}

/// 128 bits that tell an id from others: two hashes, each with a seed of its own.
pub(crate) type IdHash = [u64; 2];

/// y by a guardrail of each user who has a reward of its, each once, by their hashes.
pub(crate) type OfGuardrail = Vec<(IdHash, f64)>;

/// An exposure that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) hash: IdHash,
    pub(crate) time: i64,
    pub(crate) variant: u32,
    pub(crate) context: u64,
}

/// What is known of a user. Of several exposures at the first time, that of the least variant and context is the first, so that
/// the order of the rows decides nothing.
#[derive(Clone, Copy, Debug)]
struct User {
    hash: IdHash,
    first: (i64, u32, u64),
    exposures: u32,
    held_out: bool,
    several_variants: bool,
}

impl User {
    fn see(&mut self, seen: &Seen) {
        self.several_variants |= self.first.1 != seen.variant;
        self.first = self.first.min((seen.time, seen.variant, seen.context));
        self.exposures = self.exposures.saturating_add(1);
    }

    fn key(&self, periods: &mut Periods<'_>) -> CubeKey {
        let (time, variant, context) = self.first;
        CubeKey { period: periods.of(time), held_out: self.held_out, variant, context }
    }

    fn group(&self) -> GroupKey {
        let (time, variant, context) = self.first;
        (time.div_euclid(DAY), self.held_out, variant, context)
    }
}

type GroupKey = (i64, bool, u32, u64);

/// What a user's exposures were credited with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Earned {
    /// Σ r.
    sum: f64,
    /// Σ r as models learn it, cut off at the cap.
    learned: f64,
    /// Σ r² of the same.
    learned_sq: f64,
}

impl Earned {
    /// Takes in the reward of an exposure, as it is and as models learn it.
    pub(crate) fn add(&mut self, reward: f64, learned: f64) {
        self.sum += reward;
        self.learned += learned;
        self.learned_sq += learned * learned;
    }

    /// y: the reward of the user.
    pub(crate) fn of_user(&self, is_bool: bool) -> f64 {
        if is_bool { f64::from(u8::from(self.sum != 0.0)) } else { self.sum }
    }
}

/// The table while it is filled, by several threads at once. What comes of it does not depend on their order.
#[derive(Debug)]
pub(crate) struct UserTableBuilder {
    hashers: [DefaultHashBuilder; 2],
    shards: Vec<Mutex<HashTable<User>>>,
    users: AtomicU64,
    most: u64,
    /// Whether there were more users than may be kept; then there is no table.
    full: AtomicBool,
}

impl UserTableBuilder {
    pub(crate) fn new(most: u64) -> Self {
        Self {
            hashers: [DefaultHashBuilder::default(), DefaultHashBuilder::default()],
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            users: AtomicU64::new(0),
            most,
            full: AtomicBool::new(false),
        }
    }

    pub(crate) fn hash(&self, id: &[u8]) -> IdHash {
        [self.hashers[0].hash_one(id), self.hashers[1].hash_one(id)]
    }

    /// The part of the table that a user is in.
    pub(crate) fn shard(hash: IdHash) -> usize {
        // Bits of the second hash: the table places users by the first.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder by the number of shards")]
        let shard = (hash[1] % SHARDS as u64) as usize;
        shard
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, HashTable<User>> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes exposures of users of one shard, and returns for each whether its user is held out; `held_out` is asked about new users.
    pub(crate) fn see(&self, shard: usize, seen: &[Seen], held_out: impl Fn(usize) -> bool, arms: &mut Vec<bool>) {
        let mut table = self.lock(shard);
        arms.clear();
        if self.full.load(Ordering::Relaxed) {
            *table = HashTable::new();
            arms.extend((0..seen.len()).map(held_out));
            return;
        }
        let before = table.len() as u64;
        for (number, seen) in seen.iter().enumerate() {
            let arm = if let Some(user) = table.find_mut(seen.hash[0], |user| user.hash == seen.hash) {
                user.see(seen);
                user.held_out
            } else {
                let held_out = held_out(number);
                let first = (seen.time, seen.variant, seen.context);
                let user = User { hash: seen.hash, first, exposures: 1, held_out, several_variants: false };
                table.insert_unique(seen.hash[0], user, |user| user.hash[0]);
                held_out
            };
            arms.push(arm);
        }
        let more = table.len() as u64 - before;
        if self.users.fetch_add(more, Ordering::Relaxed) + more > self.most {
            self.full.store(true, Ordering::Relaxed);
        }
    }

    /// Users by period, arm, variant and context, as they were first seen.
    pub(crate) fn first_seen(&self, periods: &mut Periods<'_>) -> Cube {
        let mut cube = Cube::default();
        for shard in 0..SHARDS {
            self.lock(shard).iter().for_each(|user| cube.count(user.key(periods)));
        }
        cube
    }

    /// Where a user belongs in [`Self::first_seen`].
    pub(crate) fn key(&self, hash: IdHash, periods: &mut Periods<'_>) -> Option<CubeKey> {
        let shard = self.lock(Self::shard(hash));
        shard.find(hash[0], |user| user.hash == hash).map(|user| user.key(periods))
    }

    /// The table; `earned` has the users with a reward by their hashes, each once. `None` where there were too many users.
    pub(crate) fn finish(
        &self,
        is_bool: bool,
        earned: &[(IdHash, Earned)],
        guardrails: &[OfGuardrail],
    ) -> Option<UserTable> {
        if self.full.load(Ordering::Relaxed) {
            return None;
        }
        let mut groups: BTreeMap<GroupKey, UserGroup> = BTreeMap::new();
        let (mut sums, mut exposures, mut several_variants) = ([UserSums::default(); 2], BTreeMap::new(), 0);
        for shard in 0..SHARDS {
            for user in self.lock(shard).iter() {
                let (day, held_out, variant, context) = user.group();
                let variant = variant as usize;
                let empty =
                    UserGroup { day, held_out, variant, context, users: 0, converting: 0, sum: 0.0, sum_sq: 0.0 };
                groups.entry(user.group()).or_insert(empty).users += 1;
                *exposures.entry(u64::from(user.exposures)).or_default() += 1;
                sums[usize::from(held_out)].add(u64::from(user.exposures), 0.0, 0.0);
                several_variants += u64::from(user.several_variants);
            }
        }
        for &(hash, of) in earned {
            let shard = self.lock(Self::shard(hash));
            let Some(user) = shard.find(hash[0], |user| user.hash == hash) else { continue };
            let Some(group) = groups.get_mut(&user.group()) else { continue };
            let y = of.of_user(is_bool);
            group.converting += u64::from(y != 0.0);
            group.sum += y;
            group.sum_sq += y * y;
            let sums = &mut sums[usize::from(user.held_out)];
            sums.reward += of.learned;
            sums.reward_sq += of.learned * of.learned;
            sums.cross += f64::from(user.exposures) * of.learned;
            sums.observation_sq += of.learned_sq;
        }
        let guardrails = guardrails.iter().map(|of| self.of_guardrail(of)).collect();
        Some(UserTable { groups: groups.into_values().collect(), guardrails, sums, exposures, several_variants })
    }

    fn of_guardrail(&self, of: &OfGuardrail) -> Vec<GuardrailGroup> {
        let mut groups: BTreeMap<(i64, bool), GuardrailGroup> = BTreeMap::new();
        for &(hash, y) in of {
            let shard = self.lock(Self::shard(hash));
            let Some(user) = shard.find(hash[0], |user| user.hash == hash) else { continue };
            let (day, held_out, ..) = user.group();
            let empty = GuardrailGroup { day, held_out, converting: 0, sum: 0.0, sum_sq: 0.0 };
            let group = groups.entry((day, held_out)).or_insert(empty);
            group.converting += u64::from(y != 0.0);
            group.sum += y;
            group.sum_sq += y * y;
        }
        groups.into_values().collect()
    }
}
