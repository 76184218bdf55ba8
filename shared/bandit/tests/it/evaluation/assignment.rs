//! Exposures that were decided again.

use bandit::evaluation::{Assignment, Concentration, Mismatches, RecheckedExposures, Verdict, assignment};

use super::random::Random;

fn rechecked(verdict: Verdict, levels: &[usize], exposures: u64) -> RecheckedExposures<'_> {
    RecheckedExposures { verdict, levels, exposures }
}

/// What nothing explains, and an older version would not explain by chance.
const OTHER: Verdict = Verdict::NotInForce { age: None, by_chance: 0.0 };

fn behind(age: u64) -> Verdict {
    Verdict::NotInForce { age: Some(age), by_chance: 0.0 }
}

#[test]
fn nothing_checked_is_nothing_suspect() {
    let found = assignment(&[3], []);
    assert_eq!(found, Assignment::default());
    assert_eq!((found.matching, found.suspect), (None, false));
}

#[test]
fn mismatches_are_counted_by_reason_and_old_versions_by_their_age() {
    let checked = [
        rechecked(Verdict::Match, &[0], 970),
        rechecked(Verdict::HoldoutSawOther, &[0], 1),
        rechecked(Verdict::ExcludedVariant, &[1], 2),
        rechecked(behind(7_000), &[1], 10),
        rechecked(behind(60), &[0], 3),
        rechecked(OTHER, &[0], 14),
    ];
    let found = assignment(&[2], checked);
    let expected = Mismatches { holdout_saw_other: 1, older_version: 13, excluded_variant: 2, other: 14 };
    assert_eq!((found.exposures, found.mismatches), (1_000, expected));
    assert_eq!((found.matching, found.age_seconds, found.suspect), (Some(0.97), Some(7_000), true));
}

#[test]
fn one_per_cent_of_mismatches_is_not_suspect_and_a_few_exposures_never_are() {
    for (matching, wrong, suspect) in [(990, 10, false), (989, 11, true), (50, 49, false), (50, 50, true)] {
        let found = assignment(&[], [rechecked(Verdict::Match, &[], matching), rechecked(OTHER, &[], wrong)]);
        assert_eq!(found.suspect, suspect, "{matching} {wrong}");
    }
}

#[test]
fn the_level_that_has_most_of_the_mismatches_is_named_by_its_factor() {
    // The second level of the second factor: 40 of 200 are wrong where 8 of 800 are elsewhere.
    let checked = [
        rechecked(Verdict::Match, &[0, 0], 396),
        rechecked(OTHER, &[0, 0], 4),
        rechecked(Verdict::Match, &[1, 0], 396),
        rechecked(OTHER, &[1, 0], 4),
        rechecked(Verdict::Match, &[0, 1], 80),
        rechecked(OTHER, &[0, 1], 20),
        rechecked(Verdict::Match, &[1, 1], 80),
        rechecked(OTHER, &[1, 1], 20),
    ];
    let expected = Concentration { factor: 1, level: 1, matching: 0.8, elsewhere: 0.99 };
    assert_eq!(assignment(&[3, 2], checked).concentrates_in, Some(expected));
}

#[test]
fn mismatches_that_are_spread_concentrate_nowhere() {
    let spread = [0, 1].map(|level| {
        [rechecked(Verdict::Match, [[0], [1]][level].as_slice(), 1), rechecked(OTHER, [[0], [1]][level].as_slice(), 1)]
    });
    let spread = spread.into_iter().flatten().map(|of| RecheckedExposures { exposures: 100 * of.exposures, ..of });
    assert_eq!(assignment(&[2], spread).concentrates_in, None);
    // All exposures are of one level: nothing tells it from others.
    assert_eq!(assignment(&[2], [rechecked(OTHER, &[0], 100)]).concentrates_in, None);
    // 19 mismatches may be chance.
    let few = [rechecked(Verdict::Match, &[0], 100), rechecked(OTHER, &[1], 19)];
    assert_eq!(assignment(&[2], few).concentrates_in, None);
}

/// Alien ids are explained by chance as often as chance has it, clients that are behind always: both are told apart, also mixed. 4,000
/// exposures: the share of those behind has a standard error of 0.012 at the most; five of them fail once in 10⁶ seeds.
#[test]
fn older_versions_explain_what_they_explain_beyond_chance() {
    let mut random = Random::new(7);
    for share_behind in [0.0, 0.3, 1.0] {
        let mut checked = Vec::new();
        for _ in 0..4_000 {
            let by_chance = 0.2 + 0.6 * random.uniform();
            let hit = random.uniform() < share_behind || random.uniform() < by_chance;
            checked.push(rechecked(Verdict::NotInForce { age: hit.then_some(600), by_chance }, &[], 1));
        }
        let Mismatches { older_version, other, .. } = assignment(&[], checked).mismatches;
        assert_eq!(older_version + other, 4_000);
        let found = older_version as f64 / 4_000.0;
        assert!((found - share_behind).abs() < 0.08, "{found} of {share_behind}");
    }
    // Where chance explains everything, nothing tells them apart.
    let certain = |age| rechecked(Verdict::NotInForce { age, by_chance: 1.0 }, &[], 10);
    let found = assignment(&[], [certain(Some(5)), certain(None)]);
    assert_eq!((found.mismatches.older_version, found.mismatches.other, found.age_seconds), (10, 10, Some(5)));
}
