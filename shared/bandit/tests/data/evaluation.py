"""Writes evaluation.json, the figures of others that shared/bandit/src/evaluation is held against.

    python -m venv v && v/bin/pip install numpy scipy statsmodels scikit-learn pandas && v/bin/pip install --no-deps obp
    v/bin/python evaluation.py > evaluation.json

obp imports torch, and its package much else, for estimators that are not used here; empty modules stand in for them.
"""
import json
import sys
import types
from importlib.metadata import files, version

torch = types.ModuleType("torch")
torch.Tensor = type("Tensor", (), {})
sys.modules["torch"] = torch
for package in ["obp", "obp.ope"]:
    sys.modules[package] = types.ModuleType(package)
    init = next(f for f in files("obp") if str(f) == package.replace(".", "/") + "/__init__.py")
    sys.modules[package].__path__ = [str(init.locate().parent)]

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from obp.ope.estimators import DoublyRobust, InverseProbabilityWeighting, SelfNormalizedInverseProbabilityWeighting
from scipy import optimize, stats
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.proportion import confint_proportions_2indep

rng = np.random.default_rng(20260923)
out = {"made_by": {p: version(p) for p in ["numpy", "scipy", "statsmodels", "obp"]}}

# Tails: scipy.stats.chi2.sf, binomtest.
out["chi_squared"] = [
    {"x": x, "df": df, "p": float(stats.chi2.sf(x, df))}
    for x, df in [(0.5, 1), (3.84, 1), (30.0, 1), (200.0, 1), (2.0, 2), (7.5, 3), (55.0, 30), (1800.0, 2000), (2300.0, 2001)]
]
out["binomial"] = [
    {"k": k, "n": n, "share": p, "p": float(stats.binomtest(k, n, p).pvalue)}
    for k, n, p in [
        (0, 10, 0.1), (3, 10, 0.1), (10, 10, 0.1), (1, 1, 0.5), (15, 15, 0.999), (7, 30, 0.5), (990, 10_000, 0.1), (1_100, 10_000, 0.1),
        (900, 10_000, 0.1), (5_000, 10_000, 0.5), (5_200, 10_000, 0.5), (0, 100, 0.05), (99_000, 1_000_000, 0.1),
        (100_700, 1_000_000, 0.1), (2_000_900, 20_000_000, 0.1), (1_000, 20_000_000, 0.00005),
    ]
]

# Lift: the delta method for a ratio of proportions is what statsmodels' "log" interval has on the log scale.
out["log_ratio"] = []
for s1, n1, s0, n0 in [(620, 9_000, 50, 1_000), (101, 400, 99, 500), (30, 100, 22, 100)]:
    low, high = confint_proportions_2indep(s1, n1, s0, n0, compare="ratio", method="log", correction=False)
    half = stats.norm.ppf(0.975)
    out["log_ratio"].append({"counts": [s1, n1, s0, n0], "error": float((np.log(high) - np.log(low)) / 2 / half)})

# The radius of the mixture, by scipy's optimum over rho at 10,000: no tuning is tighter there.
alpha, tuned = 0.05, 10_000
multiple = lambda rho_sq, n: np.sqrt(2 * (n * rho_sq + 1) / (n * rho_sq) * np.log(np.sqrt(n * rho_sq + 1) / alpha))
best = optimize.minimize_scalar(lambda log: multiple(np.exp(log), tuned), bounds=(-20, 0), method="bounded", options={"xatol": 1e-12})
rho_sq = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / tuned
out["sequence"] = {
    "least": float(best.fun), "multiples": [[n, float(multiple(rho_sq, n))] for n in [100, 1_000, 10_000, 1_000_000]]
}

# Heterogeneity: statsmodels' combine_effects.
effects, errors = np.array([0.21, -0.05, 0.4, 0.1]), np.array([0.1, 0.12, 0.2, 0.05])
combined = combine_effects(effects, errors**2)
test = combined.test_homogeneity()
out["heterogeneity"] = {
    "effects": effects.tolist(), "errors": errors.tolist(), "q": float(test.statistic), "df": float(test.df),
    "p": float(test.pvalue), "pooled": float(combined.mean_effect_fe), "i_squared": float(max(0, combined.i2)),
}

# Design effect: OLS on a constant with cluster-robust errors.
out["design_effect"] = []
for kind in ["bool", "numeric"]:
    users = rng.geometric(0.4, 300)
    rate = rng.beta(1, 4, 300)
    rewards = [(rng.random(n) < r).astype(float) if kind == "bool" else rng.normal(r * 5, 1, n) for n, r in zip(users, rate)]
    y, groups = np.concatenate(rewards), np.repeat(np.arange(300), users)
    fit = sm.OLS(y, np.ones(len(y))).fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    plain = y.var() / len(y)
    out["design_effect"].append({
        "users": [[int(n), float(r.sum()), float((r**2).sum())] for n, r in zip(users, rewards)],
        "effect": float(fit.bse[0] ** 2 * 300 / 299 / plain),
    })

# Off-policy: obp on single events. Ten contexts, five variants, two versions of the logging policy.
contexts, variants, events = 4, 5, 3_000
logged = rng.dirichlet(np.ones(variants) * 2, (2, contexts))
policy = rng.dirichlet(np.ones(variants), contexts)
truth = rng.beta(2, 8, (contexts, variants))
model = truth + rng.normal(0, 0.05, truth.shape)
out["off_policy"] = []
for kind in ["bool", "numeric"]:
    g, c = rng.integers(0, 2, events), rng.integers(0, contexts, events)
    a = np.array([rng.choice(variants, p=logged[i, j]) for i, j in zip(g, c)])
    r = (rng.random(events) < truth[c, a]).astype(float)
    if kind == "numeric":
        r = r * rng.lognormal(3, 1, events)
    q = model if kind == "bool" else model * 30
    common = dict(reward=r, action=a, pscore=logged[g, c, a], action_dist=policy[c][:, :, None])
    with_model = common | dict(estimated_rewards_by_reg_model=q[c][:, :, None], position=np.zeros(events, dtype=int))
    weight = policy[c, a] / logged[g, c, a]
    ips = weight * r
    dr = DoublyRobust()._estimate_round_rewards(**with_model)
    snips = SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**common)
    cells = [[[[int(((g == i) & (c == j) & (a == v)).sum()),
                int((r[(g == i) & (c == j) & (a == v)] != 0).sum()),
                float(r[(g == i) & (c == j) & (a == v)].sum()),
                float((r[(g == i) & (c == j) & (a == v)] ** 2).sum())] for v in range(variants)]
              for j in range(contexts)] for i in range(2)]
    out["off_policy"].append({
        "cells": cells, "logged": logged.tolist(), "policy": policy.tolist(), "model": q.tolist(),
        "ips": float(InverseProbabilityWeighting().estimate_policy_value(**common)), "snips": float(snips),
        "dr": float(DoublyRobust().estimate_policy_value(**with_model)),
        "errors": [float(ips.std(ddof=1) / np.sqrt(events)),
                   float(np.sqrt((weight**2 * (r - snips) ** 2).sum()) / weight.sum()), float(dr.std(ddof=1) / np.sqrt(events))],
        "effective": float(weight.sum() ** 2 / (weight**2).sum()), "largest": float(weight.max()),
    })

# Pairs against mains: statsmodels' GLM and OLS.
out["pairs"] = []
for kind in ["bool", "numeric"]:
    rows = []
    for day in range(6):
        for first in range(3):
            for second in range(2):
                n = int(rng.integers(300, 1_500))
                eta = -1.5 + 0.2 * np.sin(day) + 0.3 * first - 0.2 * second + (0.15 if (first, second) == (2, 1) else 0)
                y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
                if kind == "numeric":
                    y = y * rng.gamma(2, 5, n)
                rows.append([day, first, second, n, float(y.sum()), float((y**2).sum())])
    # One cell was never served.
    rows = [row for row in rows if row[:3] != [3, 1, 1]]
    frame = pd.DataFrame(rows, columns=["day", "a", "b", "n", "sum", "sq"])
    frame["mean"], frame["rest"] = frame["sum"] / frame["n"], frame["n"] - frame["sum"]
    mains, pairs = "C(day) + C(a) + C(b)", "C(day) + C(a) * C(b)"
    within = float((frame["sq"] - frame["sum"] ** 2 / frame["n"]).sum())
    total = float(frame["n"].sum())
    indicator = lambda i, j: ((frame["a"] == i) & (frame["b"] == j)).astype(float).to_numpy()
    if kind == "bool":
        fit = {f: smf.glm(f"sum + rest ~ {f}", frame, family=sm.families.Binomial()).fit(tol=1e-14, maxiter=100) for f in (mains, pairs)}
        statistic = 2 * (fit[pairs].llf - fit[mains].llf)
        fitted = fit[mains].fittedvalues
        weight = frame["n"] * fitted * (1 - fitted)
        dispersion = 1.0
    else:
        fit = {f: smf.wls(f"mean ~ {f}", frame, weights=frame["n"]).fit() for f in (mains, pairs)}
        rss = {f: within + fit[f].ssr for f in (mains, pairs)}
        statistic = total * np.log(rss[mains] / rss[pairs])
        fitted, weight = fit[mains].fittedvalues, frame["n"].astype(float)
        dispersion = rss[mains] / (total - np.linalg.matrix_rank(fit[mains].model.exog))
    df = np.linalg.matrix_rank(fit[pairs].model.exog) - np.linalg.matrix_rank(fit[mains].model.exog)
    z_design = fit[mains].model.exog
    points, zs = [], []
    for i in range(3):
        for j in range(2):
            x = indicator(i, j)
            excess = float((x * (frame["sum"] - frame["n"] * fitted)).sum())
            # The score test of one more column, by plain matrices.
            info = z_design.T @ (weight.to_numpy()[:, None] * z_design)
            cross = z_design.T @ (weight.to_numpy() * x)
            variance = dispersion * float((weight * x).sum() - cross @ np.linalg.solve(info, cross))
            points.append(excess / float((x * frame["n"]).sum()))
            zs.append(excess / np.sqrt(variance))
    out["pairs"].append({"rows": rows, "statistic": float(statistic), "df": int(df), "p": float(stats.chi2.sf(statistic, df)), "excess": points, "z": zs})

# Balance: scipy's chisquare.
counts, shares = [48, 35, 11, 2, 4], [0.5, 0.3, 0.1, 0.04, 0.06]
observed, expected = [48, 35, 11, 6], [50, 30, 10, 10]
test = stats.chisquare(observed, expected)
# (4 and 6 expected: the fourth joins the smallest of the others, which is the fifth.)
out["balance"] = {"counts": counts, "shares": shares, "chi_squared": float(test.statistic), "p": float(test.pvalue)}

json.dump(out, sys.stdout, indent=None)
print()
