use bandit::evaluation::Verdict;
use bandit::{Dtype, Factor, Policy, PolicyHistory, Space, VariantKeys};
use chrono::DateTime;
use snapshots::AuditedExposures;
use uuid::Uuid;

use super::decide::{Outcome, decide, explain};
use super::in_force::InForceVersions;
use super::policies::Policies;
use super::users;
use crate::domain::{
    Actor, Allocation, Aspects, Change, ChangeKind, OptimizationStatus, SampledUsers, ServedVersion, Timeline,
};
use crate::usecases::results::deciding_instants;

const MODEL: Uuid = Uuid::from_u128(7);
const SECOND: i64 = 1_000_000;

/// Headlines A, B and C, of which C is excluded.
fn space() -> Space {
    let levels = ["A", "B", "C"].map(str::to_owned).to_vec();
    Space::new(vec![Factor::new("headline", Dtype::Str, levels).unwrap()], vec![]).unwrap().excluding(&[vec![(0, 2)]])
}

fn version(posterior_version: u64) -> ServedVersion {
    ServedVersion { model_id: Some(MODEL), posterior_version, allocation: Allocation::Exploring }
}

/// Made at 1,000 s; version 1 in force from 2,000 s and version 2 from 3,000 s on.
fn timeline() -> Timeline {
    let served = |version: u64| Aspects::served(self::version(version));
    let change = |second: i64, what, before, after| {
        let at = DateTime::from_timestamp(second, 0).unwrap();
        Change::new(("org", Uuid::nil()), (&Actor::Service, at), what, before, after)
    };
    let name = Some("n".to_owned());
    let born = Aspects { status: Some(OptimizationStatus::Live), served: Some(version(0)), name, ..Aspects::default() };
    let changes = [
        change(1_000, ChangeKind::Created, Aspects::default(), born),
        change(2_000, ChangeKind::Trained, served(0), served(1)),
        change(3_000, ChangeKind::Trained, served(1), served(2)),
    ];
    Timeline::of(&changes, OptimizationStatus::Live, version(2))
}

/// Version 1 serves A alone, and version 2 serves B alone.
fn policies() -> Policies {
    let only = |level: usize| {
        let others = (0..3).filter(|&other| other != level).map(|other| vec![(0, other)]);
        Policy::uniform(&space().excluding(&others.collect::<Vec<_>>())).unwrap()
    };
    let mut compiled = PolicyHistory::new(&space()).unwrap();
    compiled.insert(1, only(0));
    compiled.insert(2, only(1));
    Policies::new(MODEL, compiled)
}

fn row(second: i64, variant: u32) -> AuditedExposures {
    AuditedExposures { user: 11, from: second * SECOND, variant, context: 0, held_out: false, exposures: 1 }
}

fn decided(rows: &[AuditedExposures], policies: &Policies) -> Vec<Outcome> {
    let (space, in_force) = (space(), InForceVersions::new(timeline()));
    let keys = VariantKeys::of(&space).unwrap();
    let mut outcomes = decide(&space, &keys, rows, &in_force, policies);
    explain(&keys, rows, &mut outcomes, &in_force, policies);
    outcomes
}

#[test]
fn within_the_staleness_both_versions_may_have_decided_and_later_the_older_one_is_old() {
    let behind = |age| Verdict::NotInForce { age: Some(age), by_chance: 1.0 };
    for (second, variant, verdict) in [
        (2_500, 0, Verdict::Match),
        (3_000, 0, Verdict::Match),
        (3_000, 1, Verdict::Match),
        (3_119, 0, Verdict::Match),
        (3_120, 0, behind(120)),
        (9_000, 0, behind(6_000)),
        (9_000, 1, Verdict::Match),
        // Nothing has served B yet.
        (2_500, 1, Verdict::NotInForce { age: None, by_chance: 0.0 }),
    ] {
        let outcome = decided(&[row(second, variant)], &policies())[0];
        assert_eq!(outcome, Outcome::Checked(verdict), "{second} {variant}");
    }
    // A week after its end nobody asks the older version.
    let late = 3_000 + 7 * 86_400 + 1;
    assert_eq!(
        decided(&[row(late, 0)], &policies())[0],
        Outcome::Checked(Verdict::NotInForce { age: None, by_chance: 0.0 })
    );
}

#[test]
fn what_is_never_served_what_the_holdout_saw_and_what_nothing_served_are_told_apart() {
    let held_out = |variant| AuditedExposures { held_out: true, ..row(2_500, variant) };
    let rows = [row(999, 0), row(2_500, 2), held_out(0), held_out(1)];
    let checked = [Verdict::ExcludedVariant, Verdict::Match, Verdict::HoldoutSawOther].map(Outcome::Checked);
    assert_eq!(decided(&rows, &policies()), [vec![Outcome::NotServed], checked.to_vec()].concat());
    // Of version 0 nothing is known here, so that an exposure of its time is only decided where another version explains it.
    let unknown = [row(1_500, 0), row(2_100, 0), row(2_100, 1), row(2_120, 1)];
    let other = Outcome::Checked(Verdict::NotInForce { age: None, by_chance: 0.0 });
    let expected = [Outcome::NotKnown, Outcome::Checked(Verdict::Match), Outcome::NotKnown, other];
    assert_eq!(decided(&unknown, &policies()), expected);
    let in_force = InForceVersions::new(timeline());
    assert_eq!(in_force.end_of_unknown(2_100 * SECOND, &policies()), Some(2_120 * SECOND));
    assert_eq!(in_force.end_of_unknown(2_500 * SECOND, &policies()), None);
}

#[test]
fn it_changes_at_every_change_and_where_serving_has_forgotten_what_was_before() {
    let expected = [1_000, 1_120, 2_000, 2_120, 3_000, 3_120].map(|second| second * SECOND);
    assert_eq!(deciding_instants(&timeline()), expected);
}

#[test]
fn several_variants_of_a_user_are_unexplained_where_one_of_them_is() {
    let of = |user, variant| AuditedExposures { user, ..row(2_500, variant) };
    let rows = [of(1, 0), of(1, 1), of(2, 0), of(3, 0), of(3, 1), of(3, 1)];
    let (good, bad) = (Outcome::Checked(Verdict::Match), Outcome::Checked(Verdict::HoldoutSawOther));
    let found = users(&rows, &[good, good, bad, good, good, bad]);
    assert_eq!(found, SampledUsers { users: 3, several_variants: 2, unexplained: 1 });
}
