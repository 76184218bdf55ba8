"""Which variant a user sees: the hash and the logarithm of shared/bandit/src/decisions, bit for bit."""

from collections.abc import Sequence
from math import sqrt

_MASK = (1 << 64) - 1


def mix(x: int) -> int:
    """The finaliser of SplitMix64."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def key(*parts: str) -> int:
    """FNV-1a over each part's length (4 bytes, little-endian) and UTF-8 bytes, mixed."""
    hashed = 0xCBF29CE484222325
    for text in (part.encode() for part in parts):
        for byte in len(text).to_bytes(4, "little") + text:
            hashed = ((hashed ^ byte) * 0x100000001B3) & _MASK
    return mix(hashed)


def uniform(user: int, variant_key: int) -> float:
    """u in (0, 1] of a variant's key, for the hash of a user."""
    mixed = mix((user + (variant_key + 1) * 0x9E3779B97F4A7C15) & _MASK)
    return float((mixed >> 11) + 1) * 2.0**-53


def variant_keys(ordinals: Sequence[Sequence[int]]) -> list[int]:
    """Each variant's key: the sum of its levels' ordinals times 64^d, d the place of the factor."""
    keys = [0]
    for place, of_factor in enumerate(ordinals):
        keys = [known + (ordinal << (6 * place)) for known in keys for ordinal in of_factor]
    return keys


def ln(u: float) -> float:
    """ln u by the four basic operations in a fixed order: `math.log` may differ between machines in the last place."""
    exponent = 0
    while u <= _SQRT1_2:
        u *= 2.0
        exponent -= 1
    s = (u - 1.0) / (u + 1.0)
    square = s * s
    total = 1.0 / 23.0
    for odd in range(21, 0, -2):
        total = total * square + 1.0 / odd
    return exponent * 6.9314718036912382e-1 + (exponent * 1.9082149292705877e-10 + 2.0 * s * total)


_SQRT1_2 = sqrt(0.5)


def choose(optimization: str, user: str, keys: Sequence[int], variants: Sequence[int], counts: Sequence[int]) -> int:
    """The variant with the least -ln(u) / count, the first of equals."""
    hashed = key("fulcrum.variant.v2", optimization, user)
    times = [-ln(uniform(hashed, keys[variant])) / count for variant, count in zip(variants, counts, strict=True)]
    return variants[times.index(min(times))]


def hold_out(optimization: str, user: str, percentage: float) -> bool:
    """Whether a user always sees the baseline."""
    return uniform(key("fulcrum.holdout.v1", optimization, user), 0) - 2.0**-53 < percentage / 100
