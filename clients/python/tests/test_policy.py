"""10,000 random users' answers against those of the service (shared/core/tests/it/serving/answers.rs writes the file)."""

import json
import struct
from collections.abc import Callable
from hashlib import sha256
from math import ceil, inf, nan
from pathlib import Path
from typing import Any

import pytest

from fulcrum_client import compile_policy
from fulcrum_client._rendezvous import uniform

ROOT = Path(__file__).parents[3]
ANSWERS: dict[str, Any] = json.loads((ROOT / "clients/typescript/test/data/answers.json").read_text())
PIECES: list[str] = ANSWERS["pieces"]
CASES: list[dict[str, Any]] = ANSWERS["cases"]


def draws(seed: int) -> Callable[[int], int]:
    """The random numbers of the file's writer, below n."""
    drawn = 0

    def below(n: int) -> int:
        nonlocal drawn
        drawn += 1
        return ceil(uniform(seed, drawn - 1) * n) - 1

    return below


def draw_user(below: Callable[[int], int], values: list[tuple[str, list[object]]]) -> tuple[str, dict[str, object]]:
    if below(250) == 0:
        piece = PIECES[below(len(PIECES))]
        user = piece * (1024 // len(piece.encode()))
    else:
        user = "".join(PIECES[below(len(PIECES))] for _ in range(below(16) + 1))
    context: dict[str, object] = {}
    for name, known in values:
        drawn = below(len(known) + 1)
        if drawn < len(known):
            context[name] = known[drawn]
    return user, context


def line(user: str, decision: Any) -> bytes:
    if decision is None:
        return f"{user}\tnone\n".encode()
    bits = struct.pack(">d", decision["propensity"]).hex()
    return f"{user}\t{decision['variant_index']}\t{str(decision['holdout']).lower()}\t{bits}\n".encode()


def test_10_000_random_users_get_the_services_answers_under_each_policy() -> None:
    decided: list[int] = []
    for case in CASES:
        below, decide, digest = draws(case["seed"]), compile_policy(case["policy"]), sha256()
        found: list[str] = []
        decisions = 0
        for number in range(10_000):
            user, context = draw_user(below, case["values"])
            decision = decide(user, context)
            if number < len(case["users"]):
                assert {"id": user, "context": context, "decision": decision} == case["users"][number]
            digest.update(line(user, decision))
            if number % 1_000 == 999:
                found.append(digest.copy().hexdigest()[:16])
            decisions += decision is not None
        assert found == case["digests"]
        assert len(case["users"]) == 50
        decided.append(decisions)
    # The third policy has rows for some contexts only.
    assert decided[:2] == [10_000, 10_000]
    assert len(decided) == 3 and 2_000 < decided[2] < 8_000, decided


def test_an_id_that_the_service_refuses_gets_no_decision() -> None:
    decide = compile_policy(CASES[0]["policy"])
    for user in ["", "x" * 1_025, "é" * 513, "\ud800", "a\udc00", "\udc00\ud800"]:
        with pytest.raises(ValueError):
            decide(user, {})
    for user in ["x" * 1_024, "é" * 512, "💡" * 256, "\n"]:
        assert decide(user, {})


def test_a_policy_of_another_format_decides_nothing() -> None:
    assert compile_policy({**CASES[0]["policy"], "format": "fulcrum.policy.v3"})("user-0", {}) is None


@pytest.mark.parametrize(
    ("price", "member", "number"),
    [
        ("1", False, 0), (1, "false", 0), (1.0, "False", 0), (1.5, True, 4), ("1.5", "TRUE", 4), ("1.50", "yes", 17),
        (1e-7, "true", 7), (1e21, True, 10), (10**21, True, 10), (True, 1, 14), ("True", None, 17), (-0.0, {}, 17),
        (nan, ["true"], 17), (inf, None, 17), (10**400, None, 17), (b"1", None, 17),
    ],
)  # fmt: skip
def test_a_value_is_the_level_that_the_service_reads(price: object, member: object, number: int) -> None:
    policy = CASES[1]["policy"]
    # A row for each context, each with a variant of its own.
    context = [
        {"name": "price", "levels": ["1", "1.5", "1e-7", "1e+21", "true"]},
        {"name": "member", "levels": [False, True]},
    ]
    rows = [{"context": str(n), "variants": [n], "counts": [policy["total"]]} for n in range(18)]
    design = [{"name": "v", "levels": [str(n) for n in range(18)], "ordinals": list(range(18))}]
    decide = compile_policy({**policy, "holdout_percentage": 0, "design": design, "context": context, "rows": rows})
    decision = decide("user", {"price": price, "member": member})
    assert decision is not None and decision["variant_index"] == number


def test_a_level_that_is_added_moves_nobody_to_or_from_the_others() -> None:
    policy = CASES[0]["policy"]
    first, *rest = policy["design"]
    wider = {
        **first, "levels": ["new", *first["levels"]], "ordinals": [len(first["levels"]), *first["ordinals"]],
    }  # fmt: skip
    others = len(rest[0]["levels"])
    rows = [{**row, "variants": [variant + others for variant in row["variants"]]} for row in policy["rows"]]
    before = compile_policy(policy)
    after = compile_policy({**policy, "design": [wider, *rest], "rows": rows, "holdout_percentage": 0})
    for number in range(1_000):
        old, new = before(f"user-{number}", {}), after(f"user-{number}", {})
        assert old is not None and new is not None
        assert old["holdout"] or new["variant"] == old["variant"]


def test_a_frozen_policy_serves_one_variant_with_certainty_and_the_holdout_goes_on() -> None:
    frozen = {**CASES[0]["policy"], "frozen": True, "total": 1, "rows": [{"variants": [4], "counts": [1]}]}
    decide = compile_policy(frozen)
    held = 0
    for number in range(1_000):
        decision = decide(f"user-{number}", {})
        assert decision is not None
        held += decision["holdout"]
        expected = (0, 0.125) if decision["holdout"] else (4, 0.875)
        assert (decision["variant_index"], decision["propensity"]) == expected
    assert 50 < held < 250


def test_a_context_that_has_what_a_level_was_has_the_level() -> None:
    factor = {"name": "device", "levels": ["desktop", "mobile"], "previous_values": [[], ["phone", "1"]]}
    rows = [{"context": str(number), "variants": [number], "counts": [1]} for number in range(3)]
    document = {**CASES[0]["policy"], "context": [factor], "total": 1, "rows": rows, "holdout_percentage": 0}
    decide = compile_policy(document)
    for value, number in [("desktop", 0), ("mobile", 1), ("phone", 1), (1, 1), ("Phone", 2), (None, 2)]:
        decision = decide("user", {"device": value})
        assert decision is not None and decision["variant_index"] == number, value
