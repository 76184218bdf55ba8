"""The shapes of the API. Made of docs/openapi.json by docs/api/generate."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class Actor1(TypedDict):
    """
    An API key, by its id; the secret is nowhere.
    """

    kind: Literal['api_key']
    id: str
    """
    The key.
    """


class Actor2(TypedDict):
    """
    A token of the issuer, by its subject.
    """

    kind: Literal['token']
    subject: str | None
    """
    The claim `sub`; absent where the token has none.
    """


class Actor3(TypedDict):
    """
    The service by itself, as when a snapshot is complete.
    """

    kind: Literal['service']


class ArmOfDay(TypedDict):
    """
    One arm on a day.
    """

    users: int
    """
    Users.
    """
    rate: float | None
    """
    Reward per user, reward units; null without a user.
    """


class AssignmentMismatches(TypedDict):
    """
    Exposures that show what no version in force serves.
    """

    holdout_saw_other: int
    """
    A user of the holdout saw another variant than the baseline.
    """
    older_version: int
    """
    An older version serves it.
    """
    excluded_variant: int
    """
    The variant is never served.
    """
    other: int
    """
    No version explains it: another id, another context when it was logged, another service.
    """


class BalanceTest(TypedDict):
    """
    The variants of all versions and contexts against their policies.
    """

    contexts: int
    """
    Versions and contexts with users enough.
    """
    chi_squared: float
    """
    Σ of χ².
    """
    degrees_of_freedom: int
    """
    Σ of degrees of freedom.
    """
    p_value: float
    """
    P(χ² ≥ that), in [0, 1].
    """
    impossible: float
    """
    Users who saw a variant that their policy serves to nobody.
    """


class BaselineCheck(TypedDict):
    """
    What the model believes of the baseline against what the holdout did in the last seven days of the snapshot.
    """

    modelled: float
    """
    Posterior mean of the baseline's expected reward in the holdout's contexts of these days, reward units.
    """
    measured: float
    """
    Mean reward of the holdout in these days, reward units.
    """
    difference: float
    """
    Modelled less measured.
    """
    z: float
    """
    The difference over its standard error.
    """
    ok: bool
    """
    Whether z is between -2.5 and 2.5.
    """


class BoolLevel1(TypedDict):
    """
    A level with an id.
    """

    id: str
    """
    The client's own id of the level: unique in its factor, and kept.
    """
    value: bool
    """
    The value of the level, which serving answers.
    """
    previous_values: NotRequired[list[str | bool]]
    """
    What the level was before: data with one of these values count under the level.
    """


class BoolLevelInput1(TypedDict):
    """
    A level with an id.
    """

    id: str
    """
    The client's own id of the level: unique in its factor, and kept.
    """
    value: bool
    """
    The value of the level, which serving answers.
    """
    previous_values: NotRequired[list[str | bool] | None]
    """
    What the level was before: data with one of these values count under the level.
    """


class BurnIn1(TypedDict):
    """
    Until so many exposures were counted, at least 1.
    """

    exposures: int
    """
    Exposures.
    """


class BurnIn2(TypedDict):
    """
    For so many hours, above 0 and at most 8,760.
    """

    hours: float
    """
    Hours.
    """


class Cap1(TypedDict):
    """
    At this quantile of the rewards other than 0, in (0, 1): the least of them that so large a share is not above.
    """

    quantile: float
    """
    A share.
    """


class Cap2(TypedDict):
    """
    At this reward, above 0.
    """

    value: float
    """
    Reward units.
    """


class CapDiagnostics(TypedDict):
    """
    What a cap cut off.
    """

    at: float
    """
    The cap, reward units.
    """
    observations: int
    """
    Observations whose reward was cut off there.
    """
    share_of_sum: float
    """
    The share of the sum of all rewards, by magnitude, that was cut off.
    """


class Deleted(TypedDict):
    """
    A model that was deleted.
    """

    id: str
    """
    The model.
    """
    status: Literal['archived']
    """
    `archived`.
    """


class Deleting(TypedDict):
    """
    A user whose events are being removed.
    """

    status: Literal['deleting']
    """
    `deleting`: the events are gone within a day.
    """


class DesignEffect(TypedDict):
    """
    The variance of the mean reward with users as what is independent, over that of as many independent exposures. No unit.
    """

    optimized: float | None
    """
    Of the optimized users; null for fewer than two users or rewards that are all equal.
    """
    holdout: float | None
    """
    Of the holdout; likewise.
    """


class Detail(TypedDict):
    """
    One fault in a request, at one place.
    """

    field: str
    """
    Where, as a path from the top of the body: `training_data_config.design_factors[0].levels`.
    """
    message: str
    """
    What is wrong there, with the value, and what would be right.
    """


class Estimate(TypedDict):
    """
    A value with its interval, reward units per exposure.
    """

    value: float
    """
    The estimate.
    """
    error: float
    """
    Its standard error, the design effect of users included.
    """
    ci: list[float] | None
    """
    value ± 1.96 error; `null` where too few rewards carry it.
    """


class Example(TypedDict):
    """
    One place in a snapshot that shows what a warning or an error is about. Never an anonymous id.
    """

    object: str
    """
    The object, from the snapshot's prefix on.
    """
    line: NotRequired[int]
    """
    The line of a text file, from 1.
    """
    row_group: NotRequired[int]
    """
    The row group of a Parquet file, from 0.
    """
    row: NotRequired[int]
    """
    The row of the row group, from 0.
    """
    column: NotRequired[str]
    """
    The column, or the factor within it.
    """
    value: NotRequired[str]
    """
    What is there, cut at 200 characters. Absent where nothing is, and for ids.
    """


class Exposure(TypedDict):
    """
    An exposure: somebody saw a variant.
    """

    anonymous_id: str
    """
    Who saw it: 1 to 1,024 bytes of UTF-8, the id that was served.
    """
    optimization_id: str
    """
    The optimization that was served.
    """
    variant: dict[str, str | float | bool]
    """
    The variant that was seen: a level for each design factor.
    """
    context: NotRequired[dict[str, Any] | None]
    """
    What was known of the visitor, by the names of context factors; null is unknown.
    """
    timestamp: NotRequired[str | None]
    """
    When it was seen: RFC 3339 with its offset, at most 24 hours ahead of the server's clock; the time of the request where it is absent.
    """
    idempotency_key: NotRequired[str | None]
    """
    What makes a repeated event one event: 1 to 256 bytes of UTF-8, unique among the exposures of the organization.
    """
    posterior_version: NotRequired[int | None]
    """
    The posterior that was served, as serving answered it.
    """
    propensity: NotRequired[float | None]
    """
    The probability with which the variant was served, as serving answered it: above 0, at most 1.
    """
    holdout: NotRequired[bool | None]
    """
    Whether the visitor belongs to the holdout, as serving answered it.
    """


class ExposureBatch(TypedDict):
    """
    The body, with events that are read or not yet.
    """

    events: list[Exposure]
    """
    The events: 1 to 500. Each is stored or rejected for itself.
    """


class ExposuresPerUser(TypedDict):
    """
    How many exposures users have.
    """

    mean: float
    """
    Mean.
    """
    p99: int
    """
    99 % quantile.
    """
    max: int
    """
    Greatest.
    """


class FactorConfig2(TypedDict):
    """
    A factor.
    """

    name: str
    """
    Its name, unique over design and context factors together, whatever the case.
    """
    dtype: Literal['bool']
    """
    The JSON type of its levels.
    """
    levels: list[bool | BoolLevel1] | None
    """
    Its levels, as they were given: 2 to 50, all different, of the dtype. They may be left out for `bool`, and then are `[false, true]`. The first is the baseline.
    """


class FactorConfigInput2(TypedDict):
    """
    A factor.
    """

    name: str
    """
    Its name, unique over design and context factors together, whatever the case.
    """
    dtype: Literal['bool']
    """
    The JSON type of its levels.
    """
    levels: NotRequired[list[bool | BoolLevelInput1] | None]
    """
    Its levels, as they were given: 2 to 50, all different, of the dtype. They may be left out for `bool`, and then are `[false, true]`. The first is the baseline.
    """


class FindingsProblem(TypedDict):
    """
    Something that is wrong with the data.
    """

    code: str
    """
    The stable name of the kind.
    """
    message: str
    """
    What is wrong.
    """


class FindingsVerdict(TypedDict):
    """
    What to do.
    """

    kind: str
    """
    `fix_data`, `do_not_ship`, `measure_first`, `ship`, `drop_level` or `keep_running`.
    """
    title: str
    """
    The same for people.
    """
    why: str
    """
    Why.
    """
    more_users: int | None
    """
    How many users more are needed, where that can be said; else null.
    """


class Flushing(TypedDict):
    """
    Events that are being compacted and published.
    """

    status: Literal['flushing']
    """
    `flushing`: they are being compacted, and are in the next snapshot.
    """


class Heterogeneity(TypedDict):
    """
    Cochran's Q over the levels' log ratios.
    """

    q: float
    """
    Q, no unit.
    """
    degrees_of_freedom: int
    """
    Levels that have a log ratio, less 1.
    """
    p_value: float
    """
    P(χ² ≥ Q): small where the levels' lifts differ by more than chance.
    """
    i_squared: float
    """
    I² = max(0, (Q − df)/Q): the share of the levels' spread that is more than chance.
    """
    pooled: float
    """
    θ̄, the log ratio that all levels have in common.
    """


class HoldoutSawOther(TypedDict):
    """
    What the holdout saw.
    """

    exposures: int
    """
    Its exposures.
    """
    of_other_variants: int
    """
    Those that show another variant than the baseline: logging or serving is not what it is taken for.
    """


InForce = TypedDict(
    'InForce',
    {
        'from': str | None,
        'to': str | None,
    },
)


class Interval(TypedDict):
    """
    A mean with its 95 % interval, reward units.
    """

    mean: float
    """
    Posterior mean.
    """
    ci_lower: float
    """
    2.5 % quantile.
    """
    ci_upper: float
    """
    97.5 % quantile.
    """


class LastError(TypedDict):
    """
    A training run that failed.
    """

    code: str
    """
    The stable code of the error.
    """
    message: str
    """
    What was wrong.
    """
    at: str
    """
    When the run ended: RFC 3339, UTC.
    """


class LeftOut(TypedDict):
    """
    Exposures of the optimized users that policies are not valued on, by the reason.
    """

    stale: int
    """
    In the first moments of a version, when an older one may have decided.
    """
    not_served: int
    """
    At times at which nothing was served, such as before the optimization was made.
    """
    not_explored: int
    """
    While nothing was explored: winners or the baseline alone were served, or another model.
    """
    not_known: int
    """
    Of versions and contexts whose policy is no longer kept, or never was.
    """
    not_stored: int
    """
    Of the oldest versions, where there are more cells than are kept.
    """


class LogSummary(TypedDict):
    """
    What policies are valued on: exposures of the optimized users whose propensities are known.
    """

    events: int
    """
    How many they are.
    """
    observed: float | None
    """
    What they earned, reward units per exposure; null without any.
    """
    versions: int
    """
    The versions that decided them.
    """
    left_out: LeftOut
    """
    Exposures of the optimized users that are left out.
    """
    design_effect: float
    """
    By what every variance is multiplied, since users bring several exposures: at least 1.
    """


class MatchConfig1(TypedDict):
    """
    Which rewards are an outcome.
    """

    by: Literal['name']
    """
    What of a reward is looked at.
    """
    value: str
    """
    The name of the reward.
    """


class MatchConfig2(TypedDict):
    """
    Which rewards are an outcome.
    """

    by: Literal['value']
    """
    What of a reward is looked at.
    """
    value: float | bool
    """
    Its value, where its name is the reward's.
    """


class MeasuredLift(TypedDict):
    """
    The lift that a run measured, of all users of its snapshot.
    """

    lift_percent: float
    """
    Of the optimized users above the holdout, per cent.
    """
    lift_ci: list[float]
    """
    Its 95 % interval at one look, per cent.
    """


class Meta(TypedDict):
    """
    What every answer says of itself.
    """

    request_id: str
    """
    `req_` and the gateway's request id.
    """
    organization_id: NotRequired[str]
    """
    The organization of the token. Absent where there is no token.
    """
    next_cursor: NotRequired[str]
    """
    Where the next page begins. Absent where nothing follows.
    """


class NamedVisitor(TypedDict):
    """
    The body of `POST /api/v2/optimizations/best-variant`: a visitor, and the optimization. Written out, since flattening would let unknown fields pass.
    """

    optimization_id: str
    """
    The optimization that serves.
    """
    anonymous_id: str
    """
    Who is served: the same id, the same variant. 1 to 1,024 bytes of UTF-8.
    """
    context: NotRequired[dict[str, Any] | None]
    """
    What is known of the visitor, as in `Visitor`.
    """
    dry_run: NotRequired[bool | None]
    """
    Reserved: serving writes nothing, so that this changes nothing.
    """


class Observations(TypedDict):
    """
    What a training run read.
    """

    exposures: int
    """
    Exposures that count.
    """
    rewards: int
    """
    Rewards that count.
    """
    attributed_rewards: int
    """
    Rewards that were credited to an exposure.
    """
    skipped: dict[str, int]
    """
    Rows that were skipped, by reason.
    """


class OutcomeConfig(TypedDict):
    """
    An outcome of a reward.
    """

    key: str
    """
    What it is called, unique in the reward, and not `failure`: 1 to 256 characters.
    """
    weight: float
    """
    What an exposure is worth that is credited with it, reward units: up to 10⁹ either way.
    """
    match: MatchConfig1 | MatchConfig2
    """
    Which rewards are it.
    """


class PairOfLevels(TypedDict):
    """
    One pair of levels.
    """

    n: int
    """
    Users.
    """
    points: float | None
    """
    Observed less additive rate per user: percentage points, or reward units for a numeric reward; null below 1,000 users.
    """
    z: float | None
    """
    The same over its standard error.
    """


class PairsTest(TypedDict):
    """
    The likelihood-ratio test of pairs against levels, with days as a factor.
    """

    statistic: float
    """
    2 ln of the ratio of the likelihoods.
    """
    degrees_of_freedom: int
    """
    Effects that pairs add to days and levels.
    """
    p_value: float
    """
    P(χ² ≥ statistic), in [0, 1].
    """


class PatchOptimization1(TypedDict):
    """
    The body of `PATCH /api/v2/optimizations/{id}`.
    """

    name: str
    """
    A new name: 1 to 256 characters.
    """
    status: NotRequired[Literal['live', 'completed', 'archived'] | None]
    """
    A new status.
    """


class PatchOptimization2(TypedDict):
    """
    The body of `PATCH /api/v2/optimizations/{id}`.
    """

    name: NotRequired[str | None]
    """
    A new name: 1 to 256 characters.
    """
    status: Literal['live', 'completed', 'archived'] | None
    """
    A new status.
    """


PatchOptimization: TypeAlias = PatchOptimization1 | PatchOptimization2
"""
The body of `PATCH /api/v2/optimizations/{id}`.
"""


class PolicyFactor(TypedDict):
    """
    A factor as a policy writes it.
    """

    name: str
    """
    Its name.
    """
    levels: list[str | bool]
    """
    Its levels, in the order that numbers them.
    """
    previous_values: NotRequired[list[list[str]]]
    """
    What each level was before, where one of them was something else.
    """
    ordinals: NotRequired[list[int]]
    """
    Of the design alone: the levels' places in the order of their creation, of which the variants' keys are made.
    """


class PolicyRow(TypedDict):
    """
    What is served in a context.
    """

    context: NotRequired[str]
    """
    The context's number as text: it may pass the 2⁵³ up to which every JSON reader is exact.
    """
    variants: list[int]
    """
    The variants that are served in it, by number, ascending.
    """
    counts: list[int]
    """
    Of how many draws out of `total` each of them is the best.
    """


class PolicyRowInput(TypedDict):
    """
    The probability of a variant in a context. Those of a context add up to 1.
    """

    context: NotRequired[dict[str, Any] | None]
    """
    The context, a level for each context factor, null for the unknown one; rows without it hold in all contexts that have no rows of their own.
    """
    variant: dict[str, str | bool]
    """
    The variant: a level for each design factor.
    """
    probability: float
    """
    Its probability, in [0, 1].
    """


class PrimaryMetric(TypedDict):
    """
    The measured lift of the model's reward.
    """

    holdout_rate: float | None
    """
    `p_h`, reward units per user; `null` without a user.
    """
    holdout_users: int
    """
    Users of the holdout.
    """
    optimization_rate: float | None
    """
    `p_m`, reward units per user.
    """
    optimization_users: int
    """
    Users of the optimization, the holdout left out.
    """
    lift_percent: float | None
    """
    100 lift.
    """
    lift_ci: list[float] | None
    """
    100 (lift ± 1.96 se).
    """
    lift_ci_anytime: list[float] | None
    """
    The confidence sequence, per cent; `null` also where a rate is not above 0, which has no logarithm.
    """
    p_value: float | None
    """
    Two-sided, of a lift of 0, for one look.
    """
    status: Literal['pending', 'measured']
    """
    Whether there is a lift to show; all four are `null` where there is none.
    """
    metric_name: str
    """
    The name of the reward.
    """
    holdout_exposures: int
    """
    Exposures of the holdout.
    """
    optimization_exposures: int
    """
    Exposures of the optimized users.
    """


class PriorConfig(TypedDict):
    """
    The prior of the scales of a cmab's effects.
    """

    main_scale: NotRequired[float]
    """
    Of main effects: 0.001 to 10, in log-odds (bool) or pooled standard deviations (numeric); 0.5 where absent.
    """
    pair_scale: NotRequired[float]
    """
    Of pairs, in the same unit and range; 0.25 where absent.
    """
    fixed: NotRequired[bool]
    """
    Whether the scales are fixed at these numbers instead of learned.
    """


class PriorConfigInput(TypedDict):
    """
    The prior of the scales of a cmab's effects.
    """

    main_scale: NotRequired[float | None]
    """
    Of main effects: 0.001 to 10, in log-odds (bool) or pooled standard deviations (numeric); 0.5 where absent.
    """
    pair_scale: NotRequired[float | None]
    """
    Of pairs, in the same unit and range; 0.25 where absent.
    """
    fixed: NotRequired[bool | None]
    """
    Whether the scales are fixed at these numbers instead of learned.
    """


class Problem(TypedDict):
    """
    What went wrong.
    """

    code: str
    """
    The stable code.
    """
    message: str
    """
    What is wrong, with which value, and what would be right.
    """
    details: NotRequired[list[Detail]]
    """
    The places, where the fault has some.
    """


class Queued(TypedDict):
    """
    A training run that waits in the queue.
    """

    model_id: str
    """
    The model.
    """
    status: Literal['training']
    """
    `training`.
    """


class RejectedEvent(TypedDict):
    """
    An event that is not stored.
    """

    index: int
    """
    Its place in the request.
    """
    code: str
    """
    `invalid_event`, or `timestamp_in_the_future`.
    """
    message: str
    """
    What is wrong.
    """
    details: NotRequired[list[Detail]]
    """
    Where.
    """


class Reward(TypedDict):
    """
    A reward: somebody did something.
    """

    anonymous_id: str
    """
    Who did it: 1 to 1,024 bytes of UTF-8, the id that was served.
    """
    name: str
    """
    What was done: 1 to 256 characters. It counts for the models whose reward has this name.
    """
    value: NotRequired[float | None]
    """
    What it is worth, in the unit of the reward; 1 where absent.
    """
    timestamp: NotRequired[str | None]
    """
    When it was done: RFC 3339 with its offset, at most 24 hours ahead of the server's clock; the time of the request where it is absent.
    """
    idempotency_key: NotRequired[str | None]
    """
    What makes a repeated event one event: 1 to 256 bytes of UTF-8, unique among the rewards of the organization.
    """
    optimization_id: NotRequired[str | None]
    """
    The optimization that it counts for; all that know its name where it is absent.
    """
    properties: NotRequired[dict[str, Any] | None]
    """
    Whatever else is known of it; kept beside the event.
    """


class RewardBatch(TypedDict):
    """
    The body, with events that are read or not yet.
    """

    events: list[Reward]
    """
    The events: 1 to 500. Each is stored or rejected for itself.
    """


class RollBackModel(TypedDict):
    """
    The body of `POST /api/v2/models/{id}/rollback`.
    """

    posterior_version: int
    """
    The version that is to be in force, counted from 1; the list of posteriors has them.
    """


class SampleRatioOfDay(TypedDict):
    """
    The holdout against its percentage on a day.
    """

    date: str
    """
    The day, UTC.
    """
    users: int
    """
    All users.
    """
    held_out: int
    """
    Those of the holdout.
    """
    p_value: float
    """
    Of the exact binomial test, in [0, 1].
    """
    suspect: bool
    """
    Whether it is below 0.001.
    """


class ServedVersion(TypedDict):
    """
    What is served.
    """

    model_id: str | None
    """
    The model; absent where the optimization has none, and nothing is served.
    """
    posterior_version: int
    """
    The version of its posterior; 0 before the first training.
    """
    allocation: Literal['exploring', 'winners', 'baseline']
    """
    How it is served.
    """


class ShownPolicy1(TypedDict):
    """
    That of a version.
    """

    posterior_version: int


class ShownPolicy2(TypedDict):
    """
    Every allowed variant alike: true.
    """

    uniform: bool


class ShownPolicy3(TypedDict):
    """
    One variant alone, by its levels.
    """

    variant: dict[str, Any]


class ShownPolicy4(TypedDict):
    """
    A table of so many rows.
    """

    table: int


class Size(TypedDict):
    """
    The size of an effect: a standard deviation of the reward over levels, which is itself uncertain. Reward units.
    """

    mean: float
    """
    Mean over the draws.
    """
    q1: float
    """
    25 % quantile.
    """
    q3: float
    """
    75 % quantile.
    """
    lo: float
    """
    2.5 % quantile.
    """
    hi: float
    """
    97.5 % quantile.
    """


class Stats(TypedDict):
    """
    What a model believes of its policy and of the baseline.
    """

    estimated_improvement_percent: float | None
    """
    Of the policy above what was earned, per cent.
    """
    estimated_improvement_interval: list[float] | None
    """
    Its central 95 %.
    """
    best_vs_baseline_percent: float | None
    """
    Of the variant that is best on average above the baseline, per cent.
    """
    best_vs_baseline_interval: list[float] | None
    """
    Its central 95 %.
    """
    estimated_progress: float | None
    """
    What the policy earns over the baseline as a share of what the best by context would.
    """
    improvement_probability: float | None
    """
    That the policy earns more than the baseline.
    """


class StatusReason(TypedDict):
    """
    Why the baseline is served to everybody, as the API shows it.
    """

    code: str
    """
    `guardrail_violated`.
    """
    message: str
    """
    The same for people, with what ends it.
    """
    guardrails: list[str]
    """
    The guardrails that are violated.
    """
    posterior_version: int
    """
    The version that the run made which found that.
    """
    at: str
    """
    Since when the baseline is served: RFC 3339, UTC.
    """


StratumState = TypedDict(
    'StratumState',
    {
        'from': int,
        'to': int,
        'observations': int,
    },
)


class Summary(TypedDict):
    """
    What a list of optimizations says of a posterior, so that it has to read none.
    """

    variants_count: int
    """
    Variants that may be served.
    """
    lift: float | None
    """
    `estimated_improvement_percent` of the state.
    """
    confidence: float | None
    """
    `improvement_probability` of the state.
    """
    exposures: int
    """
    Exposures that it was trained on.
    """


class TextLevel1(TypedDict):
    """
    A level with an id.
    """

    id: str
    """
    The client's own id of the level: unique in its factor, and kept.
    """
    value: str
    """
    The value of the level, which serving answers.
    """
    previous_values: NotRequired[list[str]]
    """
    What the level was before: data with one of these values count under the level.
    """


class TextLevelInput1(TypedDict):
    """
    A level with an id.
    """

    id: str
    """
    The client's own id of the level: unique in its factor, and kept.
    """
    value: str
    """
    The value of the level, which serving answers.
    """
    previous_values: NotRequired[list[str] | None]
    """
    What the level was before: data with one of these values count under the level.
    """


class TimeConfig(TypedDict):
    """
    How models know when observations were made.
    """

    strata: NotRequired[Literal['auto', 'day', 'week', 'none']]
    """
    Where strata begin, spans of time that have an intercept of their own; `auto` where absent.
    """
    half_life_days: NotRequired[float]
    """
    Days after which an observation counts half as much: 0.1 to 3,650; all count alike where absent.
    """


class TimeConfigInput(TypedDict):
    """
    How models know when observations were made.
    """

    strata: NotRequired[Literal['auto', 'day', 'week', 'none'] | None]
    """
    Where strata begin, spans of time that have an intercept of their own; `auto` where absent.
    """
    half_life_days: NotRequired[float | None]
    """
    Days after which an observation counts half as much: 0.1 to 3,650; all count alike where absent.
    """


class TrainModel(TypedDict):
    """
    The body of `POST /api/v2/models/{id}/train`.
    """

    bias: NotRequired[dict[str, float]]
    """
    By the name of a design or context factor, a number of 0 to 10 by which its effects are multiplied in what is served; 1 changes nothing.
    """


class TrainModelAnswer202(Queued):
    meta: Meta
    """
    What every answer says of itself.
    """


class UnattributedRewards(TypedDict):
    """
    Rewards that belong to no exposure.
    """

    rewards: int
    """
    Rewards that count, attributed or not.
    """
    without_exposure: int
    """
    Of ids that have no exposure.
    """
    before_exposures: int
    """
    Before the first exposure of their id.
    """
    outside_windows: int
    """
    After an exposure, and out of every window.
    """


class UnavailableOffPolicy(TypedDict):
    """
    Why no policy is valued.
    """

    reason: Literal['not_measured', 'no_ids', 'many_users']
    """
    The stable name of the reason.
    """
    message: str
    """
    The same for people.
    """


class UnexplainedVariants(TypedDict):
    """
    Users of the sample who saw more than one variant although no version in force explains it.
    """

    of_users: int
    """
    Users of the sample.
    """
    several_variants: int
    """
    Those who saw more than one variant.
    """
    users: int
    """
    Those of them with an exposure that no version in force explains.
    """
    share: float | None
    """
    Of the users of the sample, in [0, 1]; null without users.
    """


class VariantOfDay(TypedDict):
    """
    A variant on a day.
    """

    number: int
    """
    Its number.
    """
    users: int
    """
    Users who saw it first, whose first exposure was on the day.
    """
    exposures: int
    """
    Exposures.
    """
    rate: float | None
    """
    Reward per exposure, reward units; null without an exposure.
    """


class Visitor(TypedDict):
    """
    The body of `POST /api/v2/optimizations/{id}/serve`.
    """

    anonymous_id: str
    """
    Who is served: the same id, the same variant. 1 to 1,024 bytes of UTF-8.
    """
    context: NotRequired[dict[str, Any] | None]
    """
    What is known of the visitor, by the names of context factors. What is missing, unknown or of another type counts as the unknown level; other names are ignored.
    """
    dry_run: NotRequired[bool | None]
    """
    Reserved: serving writes nothing, so that this changes nothing.
    """


class Warning(TypedDict):
    """
    What a run did that its reader should know, although it did not fail.
    """

    code: str
    """
    The stable name of the kind; the name of the reason where rows were skipped.
    """
    message: str
    """
    What was left out and how much of it.
    """
    example: NotRequired[Example]
    """
    Where to look.
    """


class WarningExample(TypedDict):
    """
    Where a warning was first found.
    """

    index: int
    """
    The event's place in the request.
    """
    factor: str
    """
    The factor.
    """
    level: str | float | bool | None
    """
    The level that the model does not have; null where the factor is missing.
    """


Window = TypedDict(
    'Window',
    {
        'from': str | None,
        'to': str | None,
    },
)


class Withheld1(TypedDict):
    """
    More than 1 % of the policy's probability is on variants that were never shown to such users: no estimate.
    """

    reason: Literal['unsupported']
    share: float
    """
    That share.
    """


class Withheld2(TypedDict):
    """
    Too few rewards carry the estimate: no interval.
    """

    reason: Literal['few_rewards']
    effective: float
    """
    Their effective number.
    """


class Withheld3(TypedDict):
    """
    There is no exposure: no estimate.
    """

    reason: Literal['no_events']


class AmountDiagnostics(TypedDict):
    """
    The inference's numbers of amounts, as in `StateDiagnostics`.
    """

    step: Literal['exact', 'importance', 'nuts']
    """
    The step that the draws come from.
    """
    pareto_k: float | None
    """
    k̂ of the importance weights.
    """
    effective_draws: float | None
    """
    Effective number of draws.
    """
    r_hat: float | None
    """
    Greatest R̂ (NUTS only).
    """
    divergences: int | None
    """
    Divergent transitions (NUTS only).
    """
    main_scale: float | None
    """
    E `τ_main` of the logarithms of amounts.
    """
    pair_scale: float | None
    """
    E `τ_pair`.
    """
    dispersion: float | None
    """
    φ, the squared coefficient of variation of an amount about its mean; no unit.
    """


class AskedPolicy1(TypedDict):
    """
    A policy: exactly one of the fields.
    """

    posterior_version: int
    """
    That of a version of the model that is still kept; 0 is every allowed variant alike.
    """
    uniform: NotRequired[Literal[True] | None]
    """
    Every allowed variant alike: true.
    """
    variant: NotRequired[dict[str, Any] | None]
    """
    One variant alone: a level for each design factor.
    """
    table: NotRequired[list[PolicyRowInput] | None]
    """
    Probabilities by context and variant.
    """


class AskedPolicy2(TypedDict):
    """
    A policy: exactly one of the fields.
    """

    posterior_version: NotRequired[int | None]
    """
    That of a version of the model that is still kept; 0 is every allowed variant alike.
    """
    uniform: Literal[True] | None
    """
    Every allowed variant alike: true.
    """
    variant: NotRequired[dict[str, Any] | None]
    """
    One variant alone: a level for each design factor.
    """
    table: NotRequired[list[PolicyRowInput] | None]
    """
    Probabilities by context and variant.
    """


class AskedPolicy3(TypedDict):
    """
    A policy: exactly one of the fields.
    """

    posterior_version: NotRequired[int | None]
    """
    That of a version of the model that is still kept; 0 is every allowed variant alike.
    """
    uniform: NotRequired[Literal[True] | None]
    """
    Every allowed variant alike: true.
    """
    variant: dict[str, str | bool]
    """
    One variant alone: a level for each design factor.
    """
    table: NotRequired[list[PolicyRowInput] | None]
    """
    Probabilities by context and variant.
    """


class AskedPolicy4(TypedDict):
    """
    A policy: exactly one of the fields.
    """

    posterior_version: NotRequired[int | None]
    """
    That of a version of the model that is still kept; 0 is every allowed variant alike.
    """
    uniform: NotRequired[Literal[True] | None]
    """
    Every allowed variant alike: true.
    """
    variant: NotRequired[dict[str, Any] | None]
    """
    One variant alone: a level for each design factor.
    """
    table: list[PolicyRowInput]
    """
    Probabilities by context and variant.
    """


class Aspects(TypedDict):
    """
    What a change touches, before it or after it; what it leaves alone is absent.
    """

    name: NotRequired[str]
    """
    The optimization's name.
    """
    status: NotRequired[Literal['live', 'completed', 'archived']]
    """
    Its status.
    """
    served: NotRequired[ServedVersion]
    """
    What it serves.
    """
    violated_guardrails: NotRequired[list[str]]
    """
    The guardrails for whose violation the baseline is served.
    """


class AssignmentConcentration(TypedDict):
    """
    Where mismatches concentrate.
    """

    factor: str
    """
    The context factor.
    """
    level: bool | str | None
    """
    Its level; null is the unknown one.
    """
    match: float
    """
    Share of the level's exposures that match, in [0, 1].
    """
    elsewhere: float
    """
    Share of all other exposures that match, in [0, 1].
    """


class AttributionConfig(TypedDict):
    """
    The attribution rule.
    """

    type: Literal['last_touch', 'first_touch']
    """
    Which of several exposures is credited.
    """
    conversion_window_hours: int
    """
    How long after an exposure a reward is credited to it, in hours: 1 to 2,160.
    """
    immature: NotRequired[Literal['include', 'exclude']]
    """
    What happens to exposures whose window is still open; `exclude` where absent.
    """


class AttributionConfigInput(TypedDict):
    """
    The attribution rule.
    """

    type: Literal['last_touch', 'first_touch']
    """
    Which of several exposures is credited.
    """
    conversion_window_hours: int
    """
    How long after an exposure a reward is credited to it, in hours: 1 to 2,160.
    """
    immature: NotRequired[Literal['include', 'exclude'] | None]
    """
    What happens to exposures whose window is still open; `exclude` where absent.
    """


class Change(TypedDict):
    """
    A change as the API shows it.
    """

    at: str
    """
    When: RFC 3339, UTC.
    """
    who: Actor1 | Actor2 | Actor3
    """
    Who.
    """
    what: Literal['created', 'updated', 'model_created', 'model_archived', 'trained', 'rolled_back', 'guardrail_violated']
    """
    What.
    """
    before: Aspects
    """
    As it was, as far as it was changed.
    """
    after: Aspects
    """
    As it is from then on.
    """


class ContextBalanceCheck(TypedDict):
    """
    Users of one context under one version: the variants that they saw against its policy.
    """

    posterior_version: int
    """
    The version.
    """
    context: dict[str, bool | str | None]
    """
    The context; null is an unknown level.
    """
    users: int
    """
    Users, each counted once.
    """
    chi_squared: float
    """
    Pearson's χ².
    """
    degrees_of_freedom: int
    """
    Classes less 1.
    """
    p_value: float
    """
    P(χ² ≥ that), in [0, 1].
    """
    impossible: float
    """
    Users who saw a variant that the policy serves to nobody.
    """


class ContextState(TypedDict):
    """
    One context of the training data: for whom is what the best?

    From the row of counts of the plain policy (exploration 1, no bias), P(v is the best in c) = #{s : v = argmax η(v', c; `β_s`)} / S over the S draws, see `Policy::compile`: the best variant is argmax over v, the probability its maximum. It is at least 1/(allowed variants), has no unit, and is the chance of being right if the variant were served to everybody in c, not the share that is served: that is in the policy. Its Monte-Carlo error is √(p(1−p)/n) with n effective draws.
    """

    context: dict[str, bool | str | None]
    """
    Its levels; `null` for unknown.
    """
    n: int
    """
    Trials.
    """
    best_variant_index: int
    """
    The variant that is the best with the greatest probability, the lowest of several.
    """
    prob_best: float
    """
    That probability: belief, untouched by exploration and bias.
    """


class DayResults(TypedDict):
    """
    A day. The lift is of all users up to it.
    """

    date: str
    """
    The day, UTC.
    """
    optimized: ArmOfDay
    """
    Optimized users whose first exposure was on the day.
    """
    holdout: ArmOfDay
    """
    Users of the holdout whose first exposure was on the day.
    """
    lift_percent: float | None
    """
    Lift of all users up to the day, per cent.
    """
    lift_ci: list[float] | None
    """
    Its 95 % interval for one look, per cent.
    """
    lift_ci_anytime: list[float] | None
    """
    Its 95 % interval that holds at every look, per cent.
    """
    variants: list[VariantOfDay] | None
    """
    The variants that were seen on the day; null above 10,000 days times variants.
    """


class Decision(TypedDict):
    """
    What a visitor is served.
    """

    optimization_id: str
    """
    The optimization.
    """
    model_id: str
    """
    The model.
    """
    posterior_version: int
    """
    The posterior in force; 0 before the first training.
    """
    variant: dict[str, str | bool]
    """
    The variant: a level for each design factor.
    """
    variant_index: int
    """
    Its number, counted from 0; 0 is the baseline.
    """
    holdout: bool
    """
    Whether the visitor belongs to the holdout.
    """
    propensity: float
    """
    The probability with which this variant is served in this context, holdout included: in [0, 1].
    """


class DeleteModelAnswer(Deleted):
    meta: Meta
    """
    What every answer says of itself.
    """


class DeleteUserEventsAnswer(Deleting):
    meta: Meta
    """
    What every answer says of itself.
    """


class Error(TypedDict):
    """
    Every answer that tells an error.
    """

    error: Problem
    """
    What went wrong.
    """
    meta: Meta
    """
    The request, as the log knows it.
    """


class EvaluatePolicies(TypedDict):
    """
    The body of `POST /api/v2/optimizations/{id}/evaluate`.
    """

    policies: list[AskedPolicy1 | AskedPolicy2 | AskedPolicy3 | AskedPolicy4]
    """
    The policies to value: 1 to 10.
    """


class FactorConfig1(TypedDict):
    """
    A factor.
    """

    name: str
    """
    Its name, unique over design and context factors together, whatever the case.
    """
    dtype: Literal['str']
    """
    The JSON type of its levels.
    """
    levels: list[str | TextLevel1]
    """
    Its levels, as they were given: 2 to 50, all different, of the dtype. They may be left out for `bool`, and then are `[false, true]`. The first is the baseline.
    """


class FactorConfigInput1(TypedDict):
    """
    A factor.
    """

    name: str
    """
    Its name, unique over design and context factors together, whatever the case.
    """
    dtype: Literal['str']
    """
    The JSON type of its levels.
    """
    levels: list[str | TextLevelInput1]
    """
    Its levels, as they were given: 2 to 50, all different, of the dtype. They may be left out for `bool`, and then are `[false, true]`. The first is the baseline.
    """


class FactorImportance(TypedDict):
    """
    By how much the reward differs between the levels of a factor, reward units.
    """

    factor: str
    """
    The factor.
    """
    mean: float | None
    """
    Mean over the draws.
    """
    q1: float | None
    """
    25 % quantile.
    """
    q3: float | None
    """
    75 % quantile.
    """
    kind: Literal['design', 'context']
    """
    `design` or `context`.
    """


class Findings(TypedDict):
    """
    What the results come to. Measured first; nothing is claimed of data that fail a check.
    """

    sentence: str
    """
    What was measured, in one sentence.
    """
    modelled: str | None
    """
    What the model expects, labelled; null where the holdout contradicts it or has not checked it.
    """
    window: Window
    """
    The days of first exposure of the users that this is about.
    """
    basis: str
    """
    What a rate is a rate of: `per user` or `per exposure`.
    """
    verdict: FindingsVerdict
    """
    What to do.
    """
    problems: list[FindingsProblem]
    """
    What is wrong with the data.
    """
    notes: list[str]
    """
    What else is worth knowing before anybody decides.
    """


class FlushEventsAnswer(Flushing):
    meta: Meta
    """
    What every answer says of itself.
    """


class GuardrailConfig(TypedDict):
    """
    A reward that must not get worse by more than a margin.
    """

    name: str
    """
    The name under which its rewards are recorded, none of the model's own: 1 to 256 characters.
    """
    type: Literal['bool', 'numeric']
    """
    Whether it is 0 or 1, or any number.
    """
    worse_when: Literal['up', 'down']
    """
    In which direction it gets worse.
    """
    margin_percent: float
    """
    By how many per cent of the holdout's rate it may be worse: 0 to 1,000, below 100 where it gets worse downwards.
    """
    on_violation: NotRequired[Literal['report', 'baseline']]
    """
    What is done once it is worse by more; `report` where absent.
    """


class GuardrailConfigInput(TypedDict):
    """
    A reward that must not get worse by more than a margin.
    """

    name: str
    """
    The name under which its rewards are recorded, none of the model's own: 1 to 256 characters.
    """
    type: Literal['bool', 'numeric']
    """
    Whether it is 0 or 1, or any number.
    """
    worse_when: Literal['up', 'down']
    """
    In which direction it gets worse.
    """
    margin_percent: float
    """
    By how many per cent of the holdout's rate it may be worse: 0 to 1,000, below 100 where it gets worse downwards.
    """
    on_violation: NotRequired[Literal['report', 'baseline'] | None]
    """
    What is done once it is worse by more; `report` where absent.
    """


class GuardrailResults(TypedDict):
    """
    What a guardrail has come to: the lift of its reward, and whether that is worse than it may be.
    """

    holdout_rate: float | None
    """
    Of the holdout, units of the reward per user; null without a user.
    """
    holdout_users: int
    """
    Users of the holdout.
    """
    optimization_rate: float | None
    """
    Of the optimized users, units of the reward per user; null without a user.
    """
    optimization_users: int
    """
    Optimized users.
    """
    lift_percent: float | None
    """
    By how many per cent of the holdout's rate the optimized users' is above it.
    """
    lift_ci: list[float] | None
    """
    Its 95 % interval, for one look.
    """
    lift_ci_anytime: list[float] | None
    """
    Its 95 % interval that holds at every look.
    """
    p_value: float | None
    """
    Two-sided, of a lift of 0, for one look.
    """
    name: str
    """
    The name of its reward.
    """
    type: Literal['bool', 'numeric']
    """
    What kind of reward it is.
    """
    worse_when: Literal['up', 'down']
    """
    In which direction it gets worse.
    """
    margin_percent: float
    """
    By how many per cent of the holdout's rate it may be worse.
    """
    on_violation: Literal['report', 'baseline']
    """
    What is done once it is violated.
    """
    holdout_exposures: int
    """
    Exposures of the holdout.
    """
    optimization_exposures: int
    """
    Exposures of the optimized users.
    """
    status: Literal['violated', 'ok', 'pending']
    """
    By `lift_ci_anytime`, which holds at every look.
    """


class History(TypedDict):
    """
    The changes of an optimization.
    """

    history: list[Change]
    """
    The changes, newest first.
    """


class InSampleMetrics(TypedDict):
    """
    How the model does on the data that it was trained on, reward units.
    """

    historic_reward: float
    """
    Observed reward per exposure.
    """
    expected_reward: Interval
    """
    Modelled reward per exposure under the model's own allocation.
    """


class IngestWarning(TypedDict):
    """
    Something about stored events that somebody should look at.
    """

    code: str
    """
    `unknown_variant` or `unknown_context_level`.
    """
    message: str
    """
    What it means, and how many events have it.
    """
    example: WarningExample
    """
    The first of them.
    """


class Ingested(TypedDict):
    """
    What came of a request.
    """

    accepted: int
    """
    Events that are stored.
    """
    rejected: list[RejectedEvent]
    """
    The others.
    """
    warnings: NotRequired[list[IngestWarning]]
    """
    What somebody should look at.
    """


class InteractionState(TypedDict):
    """
    Two factors, at least one of the design.
    """

    factors: list[str]
    """
    Their names, a design factor first.
    """
    scale: float
    """
    Reward units: the root of the posterior mean of the variance over cells of that part of the expected reward which the pair of levels adds to what each level adds alone. Its square over the variance of all is the second-order Sobol index.
    """
    size: Size | None
    """
    The root of that variance in every draw, where `scale` is the root of the mean. `null` in objects of earlier versions.
    """


class LevelResults(TypedDict):
    """
    The lift at a level.
    """

    holdout_rate: float | None
    """
    `p_h`, reward units per user; `null` without a user.
    """
    holdout_users: int
    """
    Users of the holdout.
    """
    optimization_rate: float | None
    """
    `p_m`, reward units per user.
    """
    optimization_users: int
    """
    Users of the optimization, the holdout left out.
    """
    lift_percent: float | None
    """
    100 lift.
    """
    lift_ci: list[float] | None
    """
    100 (lift ± 1.96 se).
    """
    lift_ci_anytime: list[float] | None
    """
    The confidence sequence, per cent; `null` also where a rate is not above 0, which has no logarithm.
    """
    p_value: float | None
    """
    Two-sided, of a lift of 0, for one look.
    """
    status: Literal['pending', 'measured']
    """
    Whether there is a lift to show; all four are `null` where there is none.
    """
    level: bool | str | None
    """
    The level; null is the unknown one.
    """


class LevelState(TypedDict):
    """
    One level of a factor.
    """

    level: bool | str | None
    """
    The level.
    """
    effect_mean: float
    """
    Posterior mean of the effect, reward units: the mean reward with the factor at this level, less the mean of that over the factor's levels. All other factors are averaged: design factors over the full design, each combination alike; context factors as they occur in the training data, whichever level this is.
    """
    effect_lo: float
    """
    2.5 % quantile.
    """
    effect_hi: float
    """
    97.5 % quantile.
    """


class MultipleVariants(TypedDict):
    """
    Users who saw more than one variant.
    """

    users: int
    """
    How many.
    """
    share: float | None
    """
    Of all users, in [0, 1]; null without users.
    """
    unexplained: UnexplainedVariants | None
    """
    Those of the sample whose versions and contexts do not explain it; null where no sample was decided again.
    """


class Optimization(TypedDict):
    """
    An optimization as the API shows it.
    """

    id: str
    """
    The optimization.
    """
    name: str
    """
    What people call it.
    """
    status: Literal['live', 'completed', 'archived']
    """
    Whether it serves.
    """
    status_reason: StatusReason | None
    """
    Why the baseline is served to everybody, whatever the status says; null where it is not.
    """
    model_id: str | None
    """
    Its model that is not archived, or null.
    """
    model_status: Literal['untrained', 'training', 'trained', 'failed', 'archived'] | None
    """
    What that model is at this moment, or null.
    """
    reward_metric_id: str | None
    """
    The client's own id of what is earned, as it was given, or null.
    """
    holdout_percentage: float
    """
    The share of users who always see the baseline, in percent: 0 to 50.
    """
    summary: Summary | None
    """
    What the posterior in force promises; null before the first training.
    """
    measured: MeasuredLift | None
    """
    The lift that the run of this posterior measured over the holdout; null where there was nothing to measure.
    """
    created_at: str
    """
    When it was made: RFC 3339, UTC.
    """
    updated_at: str
    """
    When it last changed: RFC 3339, UTC.
    """


class OptimizationHistoryAnswer(History):
    meta: Meta
    """
    What every answer says of itself.
    """


class Optimizations(TypedDict):
    """
    The optimizations of an organization.
    """

    optimizations: list[Optimization]
    """
    The optimizations, newest `updated_at` first.
    """


class PairsOfLevels(TypedDict):
    """
    Two design factors: what pairs of their levels do beside what each level does alone.
    """

    factors: list[str]
    """
    The factors.
    """
    levels: list[list[bool | str | None]]
    """
    Their levels, in the order of rows and columns.
    """
    cells: list[list[PairOfLevels]]
    """
    Levels of the first factor by levels of the second.
    """
    test: PairsTest | None
    """
    The likelihood-ratio test of all pairs together; null where nothing can be told apart.
    """


class Policy(TypedDict):
    """
    All that a client needs to serve as the service does. docs/serving.md describes how.
    """

    format: str
    """
    `fulcrum.policy.v2`. A client that knows another meaning asks the service.
    """
    optimization_id: str
    """
    The optimization.
    """
    model_id: str
    """
    The model that serves.
    """
    posterior_version: int
    """
    The posterior in force; 0 before the first training.
    """
    holdout_percentage: float
    """
    The share of users who always see the baseline, in percent: 0 to 50.
    """
    frozen: bool
    """
    Whether each context has one variant: the best, of a completed optimization, or the baseline, since a guardrail is violated.
    """
    design: list[PolicyFactor]
    """
    The design factors, in the order that numbers variants; the last runs fastest.
    """
    context: list[PolicyFactor]
    """
    The context factors, in the order that numbers contexts; each has its unknown level after those listed.
    """
    coverage: str
    """
    Which contexts have a row: `any_context` (one row for all), `every_context`, or `observed_contexts` (ask the service for others).
    """
    total: int
    """
    What the counts of a row add up to: draws.
    """
    rows: list[PolicyRow]
    """
    The counts, by context.
    """


class PolicyValue(TypedDict):
    """
    What a policy would have earned.
    """

    name: NotRequired[Literal['newest_version', 'uniform', 'baseline', 'best_variant']]
    """
    Which of those it is that every run values; absent where it was asked for.
    """
    policy: ShownPolicy1 | ShownPolicy2 | ShownPolicy3 | ShownPolicy4
    """
    The policy.
    """
    learned_from: float | None
    """
    Share of these exposures that the policy was learned from, in [0, 1]: by that its value is optimistic. Null without exposures.
    """
    unknown_events: int
    """
    Exposures that are left out since the policy has no row for their context.
    """
    ips: Estimate | None
    """
    Inverse propensity scoring.
    """
    snips: Estimate | None
    """
    The self-normalized form.
    """
    dr: Estimate | None
    """
    Doubly robust; `null` also where no exposure came with a model.
    """
    events: int
    """
    N: exposures that are used.
    """
    modelled_events: int
    """
    Those of them that came with a model.
    """
    impossible_events: int
    """
    Exposures of variants that their version never serves, left out: their weight is not defined. A log whose decisions are those of its versions has none.
    """
    effective_events: float
    """
    (Σ w)²/Σ w² over exposures: how many equally weighted ones they are worth.
    """
    effective_rewards: float
    """
    The same over the exposures with a reward other than 0.
    """
    largest_weight: float
    """
    The greatest weight of an exposure.
    """
    mean_weight: float
    """
    Σ w/N, which is 1 on average where the propensities are right.
    """
    support: float
    """
    Share of the policy's probability on variants that the version in force never served, `support` by its name in answers: Σ over contexts of n/N · Σ π(v|c) over v with p(v|c) = 0.
    """
    withheld: Withheld1 | Withheld2 | Withheld3 | None
    """
    Why something is missing.
    """


class Posterior(TypedDict):
    """
    A version of a posterior as the API shows it.
    """

    posterior_version: int
    """
    The version, counted from 1.
    """
    trained_at: str
    """
    When its run ended: RFC 3339, UTC.
    """
    snapshot_id: str
    """
    The snapshot that it was trained on.
    """
    bias: dict[str, float]
    """
    The biases of its run, by factor; 0 to 10.
    """
    in_sample_metrics: InSampleMetrics
    """
    How it does on its own data.
    """
    observations: Observations
    """
    What its run read.
    """
    warnings: list[Warning]
    """
    What its run left out or changed in a way that its reader should know.
    """
    active: bool
    """
    Whether it is the one in force.
    """
    in_force: list[InForce]
    """
    From when to when it was in force, the earliest first.
    """


class Posteriors(TypedDict):
    """
    The versions of a model's posterior.
    """

    posteriors: list[Posterior]
    """
    The versions, newest first.
    """


class RewardConfig(TypedDict):
    """
    The reward.
    """

    name: str
    """
    The name under which rewards are recorded: 1 to 256 characters.
    """
    type: Literal['bool', 'numeric']
    """
    Whether it is 0 or 1, or any number.
    """
    distribution: NotRequired[Literal['auto', 'two_part', 'normal']]
    """
    What numeric rewards are taken to be like; `auto` where absent.
    """
    cap: NotRequired[Cap1 | Cap2]
    """
    Where numeric rewards of single observations are cut off; nowhere where absent.
    """
    outcomes: NotRequired[list[OutcomeConfig]]
    """
    What 2 to 20 outcomes are worth, of a reward whose type is bool; the model is numeric then.
    """


class RewardConfigInput(TypedDict):
    """
    The reward.
    """

    name: str
    """
    The name under which rewards are recorded: 1 to 256 characters.
    """
    type: Literal['bool', 'numeric']
    """
    Whether it is 0 or 1, or any number.
    """
    distribution: NotRequired[Literal['auto', 'two_part', 'normal'] | None]
    """
    What numeric rewards are taken to be like; `auto` where absent.
    """
    cap: NotRequired[Cap1 | Cap2 | None]
    """
    Where numeric rewards of single observations are cut off; nowhere where absent.
    """
    outcomes: NotRequired[list[OutcomeConfig] | None]
    """
    What 2 to 20 outcomes are worth, of a reward whose type is bool; the model is numeric then.
    """


class SampleRatioByDay(TypedDict):
    """
    The holdout against its percentage, in all and by day.
    """

    users: int
    """
    All users.
    """
    held_out: int
    """
    Those of the holdout.
    """
    expected: float
    """
    The share that should be.
    """
    p_value: float
    """
    Of the exact binomial test.
    """
    suspect: bool
    """
    Whether it is below `SUSPECT_BELOW`.
    """
    by_day: list[SampleRatioOfDay]
    """
    Day by day, by the users' first exposure.
    """


class ServeVariantAnswer(Decision):
    meta: Meta
    """
    What every answer says of itself.
    """


class StateDiagnostics(TypedDict):
    """
    The inference's diagnostics and the report's, as `GET …/state` shows them. What does not apply is `null`, `null` in JSON.
    """

    step: Literal['exact', 'importance', 'nuts']
    """
    The step that the draws come from.
    """
    pareto_k: float | None
    """
    k̂ of the Pareto-smoothed importance weights (Vehtari et al. 2024), also where they were rejected: good below 0.5, and accepted up to 0.7 only where the no-U-turn sampler would cost too much. No unit; cmab with bool rewards.
    """
    effective_draws: float | None
    """
    Effective number of the 10,000 draws: a mean has the Monte-Carlo error sd/√`effective_draws`. cmab with bool rewards; all draws are effective where the step is exact.
    """
    r_hat: float | None
    """
    Greatest rank-normalised R̂ over the coefficients: 1 is ideal. NUTS only.
    """
    divergences: int | None
    """
    Divergent transitions after warm-up: 0 is ideal. NUTS only.
    """
    main_scale: float | None
    """
    E `τ_main` = Σ weight · `τ_main` over the grid: the posterior mean of the main effects' scale, or the scale itself where it is fixed. Log-odds (bool) or pooled standard deviations (normal); not for a mab with bool rewards in one stratum.
    """
    pair_scale: float | None
    """
    E `τ_pair`, likewise, of the pairs' scale.
    """
    kappa: float | None
    """
    κ̂, the most probable number of trials that the learned Beta prior is worth. mab with bool rewards only.
    """
    value_draws: int
    """
    Draws that the policy's value is computed from: all, as long as cells × draws are at most 2 · 10⁹.
    """
    draws: int
    """
    Draws that the other expected rewards, effects and variances are computed from: all, as long as cells × draws are at most 5 · 10⁸, and 1,000 at least.
    """
    covered_share: float
    """
    Share of the observations whose contexts the averages go over, in (0, 1]: 1, but where variants × contexts of the data are above 10⁶, and the contexts with the most observations are used.
    """
    design_effect: NotRequired[float]
    """
    How many times as much the mean reward varies as if exposures were independent, because users bring several: n, z, Σ r and Σ r² of every cell were divided by it before the fit. At least 1. Absent where no users are known, or are the unit.
    """
    cap: NotRequired[CapDiagnostics]
    """
    What the cap of rewards cut off, where there is one.
    """
    amount: NotRequired[AmountDiagnostics]
    """
    The part of two-part rewards that is about amounts; the fields above are of the conversions then.
    """


class Trained(TypedDict):
    """
    A training run that put a posterior in force.
    """

    model_id: str
    """
    The model.
    """
    status: Literal['trained']
    """
    `trained`.
    """
    in_sample_metrics: InSampleMetrics
    """
    How the posterior does on its own data.
    """
    posterior_version: int
    """
    The posterior that is now in force, counted from 1.
    """
    snapshot_id: str
    """
    The snapshot that it was trained on.
    """
    observations: Observations
    """
    What the run read.
    """
    warnings: list[Warning]
    """
    What the run left out or changed in a way that its reader should know.
    """
    duration_ms: int
    """
    Wall time of the run in milliseconds; of one that was waited for, the time that this took.
    """
    joined: NotRequired[bool]
    """
    Whether another run made it, which this call waited for; absent where it did not.
    """


class TrainingDataConfig(TypedDict):
    """
    What to learn and from what: `training_data_config` of the API, in the shape in which it is sent, stored and answered. A value of this type is not yet checked; `super::Checked` is.
    """

    design_factors: list[FactorConfig1 | FactorConfig2]
    """
    What is varied: 1 to 10 factors. The product of their numbers of levels, the variants, is at most 1,000.
    """
    context_factors: list[FactorConfig1 | FactorConfig2]
    """
    What is known of the visitor: up to 10 factors for a cmab, none for a mab.
    """
    reward: RewardConfig
    """
    What is earned.
    """
    attribution: AttributionConfig
    """
    Which exposure earns it.
    """
    excluded_combinations: NotRequired[list[dict[str, str | bool]]]
    """
    Partial assignments of design factors to levels that are never served: up to 1,000. The baseline, the first level of every factor, and one variant more must remain.
    """
    prior: NotRequired[PriorConfig]
    """
    The prior of the scales of a cmab's effects; not for a mab.
    """
    exploration: NotRequired[float]
    """
    How far draws deviate from the mean when they choose, as a factor of 0.25 to 2; 1 is Thompson sampling, and the default.
    """
    allow_no_rewards: NotRequired[bool]
    """
    Whether a snapshot with rewards of which not one can be attributed is trained on all the same; false where absent.
    """
    lookback_days: NotRequired[int]
    """
    Days of events that a snapshot of ingested events goes back, 1 to 3,650; all of them where absent.
    """
    retrain_minutes: NotRequired[int]
    """
    Minutes between two snapshots of ingested events, 1 to 10,080; 60 where absent.
    """
    posterior_versions: NotRequired[int]
    """
    How many versions of the posterior are kept, newest first: 2 to 1,000; 100 where absent.
    """
    unit: NotRequired[Literal['exposure', 'user']]
    """
    What one observation is; `exposure` where absent.
    """
    time: NotRequired[TimeConfig]
    """
    How models know when observations were made.
    """
    minimum_share: NotRequired[float]
    """
    The least share of every allowed variant in what is served: 0 to 0.05; 0 where absent. All together at most 1.
    """
    burn_in: NotRequired[BurnIn1 | BurnIn2]
    """
    Until when all allowed variants are served alike, whatever is believed.
    """
    guardrails: NotRequired[list[GuardrailConfig]]
    """
    Other rewards in the same files that must not get worse: up to 10, of different names.
    """


class TrainingDataConfigInput(TypedDict):
    """
    What to learn and from what: `training_data_config` of the API, in the shape in which it is sent, stored and answered. A value of this type is not yet checked; `super::Checked` is.
    """

    design_factors: list[FactorConfigInput1 | FactorConfigInput2]
    """
    What is varied: 1 to 10 factors. The product of their numbers of levels, the variants, is at most 1,000.
    """
    context_factors: NotRequired[list[FactorConfigInput1 | FactorConfigInput2]]
    """
    What is known of the visitor: up to 10 factors for a cmab, none for a mab.
    """
    reward: RewardConfigInput
    """
    What is earned.
    """
    attribution: AttributionConfigInput
    """
    Which exposure earns it.
    """
    excluded_combinations: NotRequired[list[dict[str, str | bool]]]
    """
    Partial assignments of design factors to levels that are never served: up to 1,000. The baseline, the first level of every factor, and one variant more must remain.
    """
    prior: NotRequired[PriorConfigInput | None]
    """
    The prior of the scales of a cmab's effects; not for a mab.
    """
    exploration: NotRequired[float | None]
    """
    How far draws deviate from the mean when they choose, as a factor of 0.25 to 2; 1 is Thompson sampling, and the default.
    """
    allow_no_rewards: NotRequired[bool | None]
    """
    Whether a snapshot with rewards of which not one can be attributed is trained on all the same; false where absent.
    """
    lookback_days: NotRequired[int | None]
    """
    Days of events that a snapshot of ingested events goes back, 1 to 3,650; all of them where absent.
    """
    retrain_minutes: NotRequired[int | None]
    """
    Minutes between two snapshots of ingested events, 1 to 10,080; 60 where absent.
    """
    posterior_versions: NotRequired[int | None]
    """
    How many versions of the posterior are kept, newest first: 2 to 1,000; 100 where absent.
    """
    unit: NotRequired[Literal['exposure', 'user'] | None]
    """
    What one observation is; `exposure` where absent.
    """
    time: NotRequired[TimeConfigInput | None]
    """
    How models know when observations were made.
    """
    minimum_share: NotRequired[float | None]
    """
    The least share of every allowed variant in what is served: 0 to 0.05; 0 where absent. All together at most 1.
    """
    burn_in: NotRequired[BurnIn1 | BurnIn2 | None]
    """
    Until when all allowed variants are served alike, whatever is believed.
    """
    guardrails: NotRequired[list[GuardrailConfigInput]]
    """
    Other rewards in the same files that must not get worse: up to 10, of different names.
    """


class UpdateOptimizationAnswer(Optimization):
    meta: Meta
    """
    What every answer says of itself.
    """


class VariantResults(TypedDict):
    """
    What was measured of a variant, and what the model believed of it at the end of the run.
    """

    number: int
    """
    Its number, counted from 0; 0 is the baseline.
    """
    variant: dict[str, bool | str | None]
    """
    Its levels.
    """
    variant_key: str
    """
    Its levels as one text: `factor=level|factor=level`.
    """
    users: int | None
    """
    Users who saw it first; null where users cannot be told apart.
    """
    converting_users: int | None
    """
    Those of them who were credited with something other than 0.
    """
    user_rate: float | None
    """
    Reward per user, reward units; null without a user.
    """
    exposures: int
    """
    Exposures.
    """
    rate: float | None
    """
    Reward per exposure, reward units; null without an exposure.
    """
    expected_reward_mean: float | None
    """
    Posterior mean of the expected reward per exposure, reward units.
    """
    expected_reward_lo: float | None
    """
    2.5 % quantile, reward units.
    """
    expected_reward_hi: float | None
    """
    97.5 % quantile, reward units.
    """
    prob_best: float | None
    """
    Probability of being the best, in [0, 1].
    """
    weight: float | None
    """
    Share of users that are served it, in [0, 1].
    """


class VariantState(TypedDict):
    """
    One variant. Expectations of a cmab average over the contexts of the training data.
    """

    index: int
    """
    The variant's number.
    """
    variant: dict[str, bool | str | None]
    """
    Its levels.
    """
    n: int
    """
    Trials.
    """
    reward_sum: float
    """
    Σ r, reward units.
    """
    rate: float | None
    """
    Measured mean reward, Σ r / n; `null` without a trial.
    """
    expected_reward_mean: float | None
    """
    Posterior mean of `R_s(v)` = `Σ_c` (`n_c`/N) E[r | v, c, `β_s`, reward units.
    """
    expected_reward_lo: float | None
    """
    2.5 % quantile of `R_s(v)` over the draws, reward units.
    """
    expected_reward_hi: float | None
    """
    97.5 % quantile of `R_s(v)` over the draws, reward units.
    """
    prob_best: float | None
    """
    `Σ_c` (`n_c`/N) P(v is the best allowed variant in c), in [0, 1]: belief, untouched by exploration and bias. 0 if excluded. P(v is the best in c) is the share of the draws in which v has the greatest location η of the allowed variants; over a user of the data, whose context is c with probability `n_c`/N, it is the probability that v is the best for them. Adds up to 1 over the variants.
    """
    expected_loss: float | None
    """
    E max_v' `R_s(v')` − `R_s(v)` over the draws, the maximum over allowed variants, reward units: what serving this one to all is expected to cost against serving the one that is the best, were it known (the expected loss of decision theory). Stopping on the variant with the least of it costs so much on average. At least 0 for an allowed variant. `null` in objects of earlier versions.
    """
    weight: float
    """
    (1 − h) `Σ_c` (`n_c`/N) π(v|c), and h more for the baseline, in [0, 1]: the share of users of these contexts that is served v by the compiled policy π, with exploration, bias and the holdout share h. A user is in the holdout with probability h, whatever their context, and then sees the baseline; else they are served v with probability π(v|c). With h = 0, exploration 1 and no bias, π(v|c) = P(v is the best in c) (Scott 2010), and the weight is `prob_best`.
    """


AssignmentCheck = TypedDict(
    'AssignmentCheck',
    {
        'from': str,
        'to': str,
        'exposures': int,
        'of': int,
        'match': float,
        'mismatches': AssignmentMismatches,
        'age_seconds': int | None,
        'concentrates_in': AssignmentConcentration | None,
        'suspect': bool,
        'not_served': int,
        'not_known': int,
        'holds_from': str | None,
    },
)


class BestVariantAnswer(Decision):
    meta: Meta
    """
    What every answer says of itself.
    """


class ContextFactorResults(TypedDict):
    """
    The lift at each level of a context factor.
    """

    factor: str
    """
    The factor.
    """
    levels: list[LevelResults]
    """
    Its levels that were seen.
    """
    heterogeneity: Heterogeneity | None
    """
    Whether the levels differ by more than chance; null where fewer than two have a lift.
    """


class CreateOptimizationAnswer(Optimization):
    meta: Meta
    """
    What every answer says of itself.
    """


class EvaluatedView(TypedDict):
    """
    The answer of `POST /api/v2/optimizations/{id}/evaluate`.
    """

    posterior_version: int
    """
    The version whose run read the snapshot.
    """
    log: LogSummary
    """
    What the policies were valued on.
    """
    policies: list[PolicyValue]
    """
    The policies, in the order of the request.
    """


class FactorState(TypedDict):
    """
    One factor.
    """

    name: str
    """
    Its name.
    """
    role: Literal['design', 'context']
    """
    Design or context.
    """
    importance: float
    """
    First-order Sobol index, in [0, 1]: the posterior mean of the variance between the factor's levels over the posterior mean of the variance of the expected reward over cells, each variant alike and contexts by their share of the trials. 0 where no cell differs from another.
    """
    size: Size | None
    """
    √(`Var_a` `m_s(a)`) over the draws s, with `m_s(a)` the mean reward with the factor at level a, all else averaged: by how much the reward differs between the factor's levels, typically. Levels of a design factor count alike, those of a context factor by their share of the trials. Unlike the importance it has a unit, and it is near 0 where the factor does nothing and the data are many; it is never 0, being a root of squares. `null` in objects of earlier versions.
    """
    levels: list[LevelState]
    """
    The levels of the configuration, in its order.
    """


class IngestExposuresAnswer(Ingested):
    meta: Meta
    """
    What every answer says of itself.
    """


class IngestExposuresAnswer207(Ingested):
    meta: Meta
    """
    What every answer says of itself.
    """


class IngestRewardsAnswer(Ingested):
    meta: Meta
    """
    What every answer says of itself.
    """


class IngestRewardsAnswer207(Ingested):
    meta: Meta
    """
    What every answer says of itself.
    """


class ListOptimizationsAnswer(Optimizations):
    meta: Meta
    """
    What every answer says of itself.
    """


class ListPosteriorsAnswer(Posteriors):
    meta: Meta
    """
    What every answer says of itself.
    """


class Model(TypedDict):
    """
    A model as the API shows it.
    """

    id: str
    """
    The model.
    """
    model_type: Literal['mab', 'cmab']
    """
    mab or cmab.
    """
    status: Literal['untrained', 'training', 'trained', 'failed', 'archived']
    """
    What it is at this moment.
    """
    training_data_config: TrainingDataConfig
    """
    What it learns and from what, as it was given, with the levels of bool factors written out.
    """
    created_at: str
    """
    When it was made: RFC 3339, UTC.
    """
    updated_at: str
    """
    When it last changed: RFC 3339, UTC.
    """
    optimization_id: str
    """
    Its parent.
    """
    trained_at: str | None
    """
    When the run of the posterior in force ended: RFC 3339, UTC; null before the first training.
    """
    posterior_version: int
    """
    The posterior in force, counted from 1; 0 before the first training.
    """
    snapshot_id: str | None
    """
    The snapshot that the posterior in force was trained on; null before the first training.
    """
    last_error: LastError | None
    """
    A training run that failed after the last good one, or null.
    """


class ModelDetail(TypedDict):
    """
    A model as the API shows it alone: with the metrics of its last good training, and what that training read and warned of.
    """

    id: str
    """
    The model.
    """
    model_type: Literal['mab', 'cmab']
    """
    mab or cmab.
    """
    status: Literal['untrained', 'training', 'trained', 'failed', 'archived']
    """
    What it is at this moment.
    """
    training_data_config: TrainingDataConfig
    """
    What it learns and from what, as it was given, with the levels of bool factors written out.
    """
    created_at: str
    """
    When it was made: RFC 3339, UTC.
    """
    updated_at: str
    """
    When it last changed: RFC 3339, UTC.
    """
    optimization_id: str
    """
    Its parent.
    """
    trained_at: str | None
    """
    When the run of the posterior in force ended: RFC 3339, UTC; null before the first training.
    """
    posterior_version: int
    """
    The posterior in force, counted from 1; 0 before the first training.
    """
    snapshot_id: str | None
    """
    The snapshot that the posterior in force was trained on; null before the first training.
    """
    last_error: LastError | None
    """
    A training run that failed after the last good one, or null.
    """
    snapshot_manifest: NotRequired[str]
    """
    Which manifest the objects of its snapshot were named by, where they were.
    """
    in_sample_metrics: InSampleMetrics | None
    """
    How the posterior in force does on its own data; null before the first training.
    """
    observations: Observations | None
    """
    What its run read; null before the first training.
    """
    warnings: list[Warning]
    """
    What its run left out or changed in a way that its reader should know.
    """


class ModelState(TypedDict):
    """
    What a model believes. Before the first training there is no belief: it is null then, and every allowed variant is served alike.
    """

    model_id: str
    """
    The model.
    """
    model_type: Literal['mab', 'cmab']
    """
    mab or cmab.
    """
    posterior_version: int
    """
    The posterior in force, counted from 1; 0 before the first training.
    """
    trained_at: str | None
    """
    When its run ended: RFC 3339, UTC; null before the first training.
    """
    skipped: dict[str, Any] | None
    """
    Rows of the snapshot that were skipped, by reason; null before the first training.
    """
    warnings: list[Warning]
    """
    What the run left out or changed in a way that its reader should know.
    """
    observations: int
    """
    Trials in the training data.
    """
    variants: list[VariantState]
    """
    Every variant, excluded ones included.
    """
    contexts: list[ContextState]
    """
    The contexts of the training data in the order of their numbers; the 10,000 with the most trials where there are more. One without levels for a mab.
    """
    factors: list[FactorState]
    """
    Design factors, then context factors; the latter not for a mab.
    """
    interactions: list[InteractionState]
    """
    Pairs of design factors, then pairs of a design and a context factor.
    """
    estimated_improvement_percent: float | None
    """
    100 (V − r̄) / |r̄|, with V the mean value of the Thompson policy and r̄ = Σ r / Σ n over the contexts that V averages over: what its allocation is expected to earn above what was earned in the training data. V is an average over the contexts of the data, at their shares; r̄ must be of the same contexts for the difference to be the allocation's. r̄ = S/N but where variants × contexts are above 10⁶, see `diagnostics.covered_share`. `null` where r̄ is 0.
    """
    estimated_improvement_interval: list[float] | None
    """
    The central 95 % of 100 (`V_s` − r̄) / |r̄| over the draws s. r̄ is what was earned, a measured number: the interval is that of the policy's value alone. `null` where r̄ is 0, and in objects of earlier versions.
    """
    best_vs_baseline_percent: float | None
    """
    100 (`max_v` R(v) − R(0)) / |R(0)| over allowed variants, with R the posterior means of the expected rewards: what the variant that is best on average is expected to earn above the baseline. Both are averages over the same contexts, so that the difference is the variants' alone; one variant is served to all, so that it is what a rollout of the winner would bring, and no policy that looks at the context. `null` where R(0) is 0.
    """
    best_vs_baseline_interval: list[float] | None
    """
    The central 95 % of 100 (`R_s(v*)` − `R_s(0)`) / |`R_s(0)`| over the draws s, with v* the variant of the greatest mean. v* is chosen for being the greatest; that this makes it look better than it is, is in the prior, not in the interval. `null` where 0 is within the central 95 % of `R_s(0)`, and in objects of earlier versions.
    """
    improvement_probability: float | None
    """
    P(V > B): the share of the draws in which the Thompson policy earns more than the baseline would if everybody saw it, `B_s` = `R_s(0)`. In [0, 1]. `null` in objects of earlier versions.
    """
    estimated_progress: float | None
    """
    (E V − E B) / (E O − E B), with `O_s` = `Σ_c` (`n_c`/N) `max_v` E[r | v, c, `β_s` over allowed variants: of all that the best variant in every context would earn above the baseline, the share that the Thompson policy is expected to earn. At most 1, and below 0 where the policy earns less than the baseline. `null` where the baseline is the best everywhere, and in objects of earlier versions.
    """
    strata: NotRequired[list[StratumState]]
    """
    The spans of constant allocation that have intercepts of their own. Absent where nothing is known of when observations were made.
    """
    diagnostics: StateDiagnostics | None
    """
    How far these numbers can be trusted. `null` in objects of earlier versions, which do not have it.
    """


class ModelStateAnswer(ModelState):
    meta: Meta
    """
    What every answer says of itself.
    """


class Models(TypedDict):
    """
    The models of an organization.
    """

    models: list[Model]
    """
    The models, newest `updated_at` first.
    """


class NewModel(TypedDict):
    """
    The body of `POST /api/v2/models`.
    """

    optimization_id: NotRequired[str | None]
    """
    The parent; a new one is made where it is absent.
    """
    model_type: Literal['mab', 'cmab']
    """
    mab or cmab.
    """
    training_data_config: TrainingDataConfigInput
    """
    What to learn and from what.
    """


class NewOptimization(TypedDict):
    """
    The body of `POST /api/v2/optimizations`.
    """

    name: str
    """
    What people call it: 1 to 256 characters.
    """
    model_type: Literal['mab', 'cmab']
    """
    mab or cmab.
    """
    training_data_config: TrainingDataConfigInput
    """
    What to learn and from what.
    """
    reward_metric_id: NotRequired[str | None]
    """
    The client's own id of what is earned, 1 to 256 characters; kept and shown.
    """
    holdout_percentage: NotRequired[Literal[0] | float | None]
    """
    The share of users who always see the baseline, in percent: 0, or 0.000001 to 50; 0 where absent.
    """


class OffPolicyValues(TypedDict):
    """
    What other policies would have earned on the exposures that versions are known to have decided.
    """

    unavailable: UnavailableOffPolicy | None
    """
    Why nothing is known; null where it is.
    """
    log: LogSummary | None
    """
    What the policies were valued on; null where there is nothing.
    """
    policies: list[PolicyValue]
    """
    The newest version's policy, every variant alike, the baseline, and the best variant on average.
    """


class OptimizationDetail(TypedDict):
    """
    An optimization as the API shows it alone: with what its model learns from.
    """

    id: str
    """
    The optimization.
    """
    name: str
    """
    What people call it.
    """
    status: Literal['live', 'completed', 'archived']
    """
    Whether it serves.
    """
    status_reason: StatusReason | None
    """
    Why the baseline is served to everybody, whatever the status says; null where it is not.
    """
    model_id: str | None
    """
    Its model that is not archived, or null.
    """
    model_status: Literal['untrained', 'training', 'trained', 'failed', 'archived'] | None
    """
    What that model is at this moment, or null.
    """
    reward_metric_id: str | None
    """
    The client's own id of what is earned, as it was given, or null.
    """
    holdout_percentage: float
    """
    The share of users who always see the baseline, in percent: 0 to 50.
    """
    summary: Summary | None
    """
    What the posterior in force promises; null before the first training.
    """
    measured: MeasuredLift | None
    """
    The lift that the run of this posterior measured over the holdout; null where there was nothing to measure.
    """
    created_at: str
    """
    When it was made: RFC 3339, UTC.
    """
    updated_at: str
    """
    When it last changed: RFC 3339, UTC.
    """
    training_data_config: TrainingDataConfig | None
    """
    What its model learns and from what; null where it has no model.
    """


class OptimizationPolicyAnswer(Policy):
    meta: Meta
    """
    What every answer says of itself.
    """


class Quality(TypedDict):
    """
    Whether the data are what they are taken for. What needs users is null where they cannot be told apart.
    """

    sample_ratio: SampleRatioByDay | None
    """
    Users of the holdout against its percentage.
    """
    unattributed_rewards: UnattributedRewards | None
    """
    Rewards that belong to no exposure.
    """
    exposures_per_user: ExposuresPerUser | None
    """
    How many exposures users have.
    """
    multiple_variants: MultipleVariants | None
    """
    Users who saw more than one variant.
    """
    assignment: AssignmentCheck | None
    """
    Exposures of the last seven days, decided again; null where none of them could be.
    """
    balance: list[ContextBalanceCheck] | None
    """
    The variants that these users saw, for each version and context with enough of them: the 100 that are the least like the policy, those first.
    """
    balance_test: BalanceTest | None
    """
    All versions and contexts together; null where there are too few users.
    """
    holdout_saw_other: HoldoutSawOther | None
    """
    Exposures of the holdout; those of another variant than the baseline should be none.
    """
    design_effect: NotRequired[DesignEffect]
    """
    How much less exposures say than as many independent ones would. Absent where users cannot be told apart.
    """


class Results(TypedDict):
    """
    What happened, as the latest training run measured it.
    """

    basis: Literal['users', 'exposures']
    """
    On what they are counted.
    """
    snapshot_id: str
    """
    The snapshot that was read.
    """
    posterior_version: int
    """
    The posterior that the same run made.
    """
    computed_at: str
    """
    When the run ended: RFC 3339, UTC.
    """
    primary_metric_vs_holdout: PrimaryMetric | None
    """
    The measured lift of the optimized users over the holdout; null where users cannot be told apart.
    """
    by_context: list[ContextFactorResults] | None
    """
    For each context factor the lift at each level; null where users cannot be told apart.
    """
    guardrails: list[GuardrailResults]
    """
    Every guardrail of the configuration, in its order.
    """
    variants: list[VariantResults]
    """
    Every variant, in the order of their numbers.
    """
    stats: Stats
    """
    What the model believed of its policy and of the baseline at the end of the run.
    """
    factor_importance: list[FactorImportance]
    """
    By how much the reward differs between the levels of each factor, as the model believed.
    """
    time_series: list[DayResults] | None
    """
    Day by day; null where users cannot be told apart.
    """
    baseline_check: BaselineCheck | None
    """
    The model's idea of the baseline against the holdout of the last seven days; null where there is no holdout.
    """
    interactions: list[PairsOfLevels] | None
    """
    Observed minus additive rates of each pair of design factors, of the whole snapshot; null where users cannot be told apart.
    """
    off_policy: OffPolicyValues
    """
    What other policies would have earned, of the whole snapshot.
    """
    quality: Quality
    """
    Whether the data are what they are taken for.
    """
    findings: Findings
    """
    What follows from the other fields, in sentences.
    """


class RollbackModelAnswer(ModelDetail):
    meta: Meta
    """
    What every answer says of itself.
    """


class TrainModelAnswer(Trained):
    meta: Meta
    """
    What every answer says of itself.
    """


class CreateModelAnswer(ModelDetail):
    meta: Meta
    """
    What every answer says of itself.
    """


class EvaluatePolicyAnswer(EvaluatedView):
    meta: Meta
    """
    What every answer says of itself.
    """


class GetModelAnswer(ModelDetail):
    meta: Meta
    """
    What every answer says of itself.
    """


class GetOptimizationAnswer(OptimizationDetail):
    meta: Meta
    """
    What every answer says of itself.
    """


class ListModelsAnswer(Models):
    meta: Meta
    """
    What every answer says of itself.
    """


class OptimizationResultsAnswer(Results):
    meta: Meta
    """
    What every answer says of itself.
    """
