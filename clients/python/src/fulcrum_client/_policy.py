"""The published policy, and the decision that the service would make from it. docs/serving.md describes the fields."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, TypedDict

from ._rendezvous import choose, hold_out, variant_keys

Variant = dict[str, str | bool]
Context = Mapping[str, object]


class Decision(TypedDict):
    """What a user is served."""

    optimization_id: str
    model_id: str
    posterior_version: int
    variant: Variant
    variant_index: int
    holdout: bool
    propensity: float


def _number(value: int | float) -> str:
    """A number as the service reads it: the shortest decimal, with an exponent below 1e-6 and from 1e21."""
    if value == 0:
        return "0"
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return str(value)
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    assert isinstance(exponent, int)
    text, point = "".join(map(str, digits)), len(digits) + exponent
    if 0 < point <= 21:
        text = text.ljust(point, "0")
        text = text if point >= len(digits) else f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{text}"
    else:
        mantissa = text if len(text) == 1 else f"{text[0]}.{text[1:]}"
        text = f"{mantissa}e{point - 1:+d}"
    return f"-{text}" if sign else text


def _text(value: object) -> str | None:
    """The text by which a value is a level; NaN, infinities, None, lists and dicts are none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        try:
            return _number(value) if isfinite(value) else None
        except OverflowError:
            return None
    return None


def _place(levels: list[str | bool], previous: list[list[str]], value: object) -> int:
    """The number of a level, by what it is or was before; the number of levels where it is none of them."""
    text = _text(value)
    for place, level in enumerate(levels):
        if isinstance(level, bool):
            if text is not None and text.lower() == ("true" if level else "false"):
                return place
        elif text == level:
            return place
    return next((place for place, before in enumerate(previous) if text in before), len(levels))


def compile_policy(policy: Mapping[str, Any]) -> Callable[[str, Context], Decision | None]:
    """What the service would answer to a user; None where the policy has no row for the context."""
    if policy["format"] != "fulcrum.policy.v2":
        # A document of another meaning says nothing; the service has to be asked.
        return lambda user, context: None
    optimization: str = policy["optimization_id"]
    percentage: float = policy["holdout_percentage"]
    total: int = policy["total"]
    variants: list[Variant] = [{}]
    for factor in policy["design"]:
        variants = [{**known, factor["name"]: level} for known in variants for level in factor["levels"]]
    keys = variant_keys([factor.get("ordinals", range(len(factor["levels"]))) for factor in policy["design"]])
    factors: list[tuple[str, list[str | bool], list[list[str]]]] = [
        (factor["name"], factor["levels"], factor.get("previous_values", [])) for factor in policy["context"]
    ]
    rows: dict[str | None, tuple[list[int], list[int]]] = {
        row.get("context"): (row["variants"], row["counts"]) for row in policy["rows"]
    }

    def decide(user: str, context: Context) -> Decision | None:
        # The service refuses these; a surrogate alone is no UTF-8 and raises a UnicodeEncodeError, a ValueError too.
        if not 1 <= len(user.encode()) <= 1024:
            raise ValueError("the id of a user is a text of 1 to 1,024 bytes")
        number = 0
        for name, levels, previous in factors:
            number = number * (len(levels) + 1) + _place(levels, previous, context.get(name))
        row = rows.get(None) or rows.get(str(number))
        if row is None:
            return None
        holdout = hold_out(optimization, user, percentage)
        index = 0 if holdout else choose(optimization, user, keys, *row)
        share = dict(zip(*row, strict=True)).get(index, 0) / total
        propensity = (1 - percentage / 100) * share + (percentage / 100 if index == 0 else 0)
        return {
            "optimization_id": optimization,
            "model_id": policy["model_id"],
            "posterior_version": policy["posterior_version"],
            "variant": dict(variants[index]),
            "variant_index": index,
            "holdout": holdout,
            "propensity": propensity,
        }

    return decide
