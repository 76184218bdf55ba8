//! The cells do not depend on how the rows are written: files, formats, compression, row groups, threads.

use crate::common::{
    Exposure, HOUR, Kind, Memory, Packing, Reward, T0, ending, exposures_file, plan, rewards_file, space,
};
use bandit::{Dtype, Factor, RewardType, Space};
use proptest::prelude::*;
use snapshots::{Plan, SnapshotCounts};

/// A few hundred rows of forty users, from a seed, in the order of their names and times.
fn rows(seed: u64) -> (Vec<Exposure>, Vec<Reward>) {
    let mut state = seed;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let exposure = |next: &mut dyn FnMut(u64) -> u64| Exposure {
        id: format!("user-{}", next(40)),
        time: T0 + next(96).cast_signed() * HOUR / 4 + next(1_000_000).cast_signed(),
        variant: usize::try_from(next(6)).unwrap(),
        context: next(3),
    };
    let exposures = (0..400).map(|_| exposure(&mut next)).collect();
    let reward = |next: &mut dyn FnMut(u64) -> u64| Reward {
        id: format!("user-{}", next(50)),
        time: T0 + next(96).cast_signed() * HOUR / 4 + next(1_000_000).cast_signed(),
        // Thousandths are not exact in a double, so that the order of addition shows.
        value: f64::from(u32::try_from(next(10_000)).unwrap()) / 1000.0,
    };
    let rewards = (0..150).map(|_| reward(&mut next)).collect();
    (exposures, rewards)
}

#[derive(Clone, Debug)]
struct Writing {
    kinds: (Kind, Kind),
    packing: Packing,
    files: (usize, usize),
    row_group: usize,
    threads: usize,
}

fn writing() -> impl Strategy<Value = Writing> {
    let kind = || prop::sample::select(vec![Kind::Parquet, Kind::Json, Kind::Csv]);
    let packing = prop::sample::select(vec![Packing::Plain, Packing::Gzip, Packing::Zstd]);
    ((kind(), kind()), packing, (1..9_usize, 1..5_usize), 1..300_usize, 1..5_usize)
        .prop_map(|(kinds, packing, files, row_group, threads)| Writing { kinds, packing, files, row_group, threads })
}

/// Contiguous parts, the names of their files in the same order.
fn parts<T>(rows: &[T], files: usize) -> impl Iterator<Item = (usize, &[T])> {
    rows.chunks(rows.len().div_ceil(files)).enumerate()
}

fn counted(space: &Space, seed: u64, reward: RewardType, w: &Writing) -> SnapshotCounts {
    let (exposures, rewards) = rows(seed);
    let mut objects = vec![("_SUCCESS".to_owned(), Vec::new())];
    for (number, rows) in parts(&exposures, w.files.0) {
        let key = format!("exposures/dt={number}/part.{}", ending(w.kinds.0, w.packing));
        objects.push((key, exposures_file(space, rows, w.kinds.0, w.packing, w.row_group)));
    }
    for (number, rows) in parts(&rewards, w.files.1) {
        let key = format!("rewards/{number}.{}", ending(w.kinds.1, w.packing));
        objects.push((key, rewards_file(rows, w.kinds.1, w.packing, w.row_group)));
    }
    Memory::of(objects).count(&Plan { reward, threads: w.threads, ..plan(space) }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn cells_are_the_same_bits_however_the_rows_are_written(
        seed in any::<u64>(),
        reward in prop::sample::select(vec![RewardType::Bool, RewardType::Numeric]),
        w in writing(),
    ) {
        let space = space();
        let whole =
            Writing { kinds: (Kind::Parquet, Kind::Parquet), packing: Packing::Plain, files: (1, 1), row_group: 1000, threads: 1 };
        let [this, whole] = [w, whole].map(|w| counted(&space, seed, reward, &w));
        // The examples of the warnings are where the rows are.
        let codes = |counted: &SnapshotCounts| counted.warnings.iter().map(|w| w.message.clone()).collect::<Vec<_>>();
        prop_assert_eq!(codes(&this), codes(&whole));
        prop_assert_eq!((this.cells, this.observations), (whole.cells, whole.observations));
    }

    #[test]
    fn numbers_of_variants_and_contexts_are_a_bijection(
        design in prop::collection::vec(2..7_usize, 1..5),
        context in prop::collection::vec(2..7_usize, 0..5),
    ) {
        let factor = |(name, levels): (String, usize)| {
            Factor::new(name, Dtype::Str, (0..levels).map(|l| l.to_string()).collect()).unwrap()
        };
        let named = |prefix: &str, levels: &[usize]| -> Vec<Factor> {
            levels.iter().enumerate().map(|(i, &l)| factor((format!("{prefix}{i}"), l))).collect()
        };
        let space = Space::new(named("d", &design), named("c", &context)).unwrap();
        prop_assert_eq!(space.variants(), design.iter().product::<usize>());
        let mut last = None;
        for variant in 0..space.variants() {
            let levels = space.decode_variant(variant);
            prop_assert!(levels.iter().zip(&design).all(|(level, levels)| level < levels));
            prop_assert_eq!(space.encode_variant(&levels), variant);
            prop_assert!(last < Some(levels.clone()), "in row-major order");
            last = Some(levels);
        }
        let mut last = None;
        for context in 0..space.contexts() {
            let levels = space.decode_context(context);
            prop_assert_eq!(space.encode_context(&levels), context);
            prop_assert!(last < Some(levels.clone()), "in row-major order");
            last = Some(levels);
        }
    }
}

#[test]
fn a_run_reads_no_more_than_it_needs() {
    let space = space();
    let (exposures, rewards) = rows(1);
    let objects = [
        ("exposures/a.parquet", exposures_file(&space, &exposures, Kind::Parquet, Packing::Plain, 100)),
        ("rewards/a.csv", rewards_file(&rewards, Kind::Csv, Packing::Plain, 1)),
    ];
    let memory = Memory::of(objects);
    memory.count(&plan(&space)).unwrap();
    // The footer, four row groups, and the text.
    assert_eq!(memory.reads.load(std::sync::atomic::Ordering::Relaxed), 6);
}
