"""The hash against the vectors that every implementation shares."""

import json
from pathlib import Path
from typing import Any

from fulcrum_client._rendezvous import choose, hold_out, key, ln, uniform, variant_keys

ROOT = Path(__file__).parents[3]


def test_the_shared_vectors_hold_bit_for_bit() -> None:
    shared: dict[str, Any] = json.loads((ROOT / "shared/bandit/tests/data/rendezvous.json").read_text())
    assert len(shared["vectors"]) >= 20
    rows: list[tuple[list[int], list[int], list[int]]] = []
    for row in shared["rows"].values():
        served = [variant for variant, count in enumerate(row["counts"]) if count > 0]
        rows.append((variant_keys(row["ordinals"]), served, [row["counts"][variant] for variant in served]))
    for expected in shared["vectors"]:
        optimization, user = expected["optimization_id"], expected["anonymous_id"]
        hashed = key("fulcrum.variant.v2", optimization, user)
        numbers = [uniform(hashed, int(known)) for known in shared["keys"]]
        found = {
            "optimization_id": optimization,
            "anonymous_id": user,
            "user_hash": f"{hashed:016x}",
            "uniform": numbers,
            "ln": [ln(number) for number in numbers],
            "served": [choose(optimization, user, *row) for row in rows],
            "held_out": [hold_out(optimization, user, percentage) for percentage in shared["percentages"]],
        }
        assert found == expected
