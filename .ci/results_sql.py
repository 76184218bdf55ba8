"""The SQL of docs/results.md, run by DuckDB on the files of a snapshot, against what the service answered for them.

usage: results_sql.py FOLDER

FOLDER has what a test wrote: exposures.jsonl and rewards.csv, the snapshot; holdout.csv, who is held out; results.json, the answer.
"""

import json
import pathlib
import re
import sys

import duckdb

TOLERANCE = 1e-12


def blocks():
    """The statements of the page, those that are queries by the name in their comment."""
    page = (pathlib.Path(__file__).parent.parent / "docs/results.md").read_text()
    for block in re.findall(r"^```sql\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for statement in re.findall(r".*?;[^\n]*\n", block, re.DOTALL):
            named = re.search(r"-- (\w+)$", statement, re.MULTILINE)
            is_query = not re.match(r"\s*CREATE", statement)
            assert not is_query or named, f"a query without a name: {statement}"
            yield (named[1] if is_query else None), statement


def rows(database, statement):
    found = database.sql(statement)
    return [dict(zip(found.columns, row)) for row in found.fetchall()]


def answers(results):
    """What the service says, under the names of the queries and in the columns of the page."""

    def lift(of):
        (lo, hi), (lo_anytime, hi_anytime) = of["lift_ci"], of["lift_ci_anytime"]
        return {
            "lift_percent": of["lift_percent"], "lo": lo, "hi": hi, "lo_anytime": lo_anytime, "hi_anytime": hi_anytime,
        }

    quality = results["quality"]
    return {
        "primary_metric_vs_holdout": [lift(results["primary_metric_vs_holdout"])],
        "by_context": [{"level": of["level"]} | lift(of) for of in results["by_context"][0]["levels"]],
        "variants": [
            {"variant": of["variant"]["headline"]}
            | {name: of[name] for name in ["users", "converting_users", "user_rate", "exposures", "rate"]}
            for of in results["variants"]
        ],
        "time_series": [
            {
                "day": of["date"], "optimized": of["optimized"]["users"], "optimized_rate": of["optimized"]["rate"],
                "holdout": of["holdout"]["users"], "holdout_rate": of["holdout"]["rate"],
            }
            for of in results["time_series"]
        ],
        "exposures_per_user": [quality["exposures_per_user"]],
        "design_effect": [{"arm": arm, "deff": deff} for arm, deff in quality["design_effect"].items()],
    }


def order(row):
    return str(next(iter(row.values())))


def main(folder):
    folder = pathlib.Path(folder)
    results = json.loads((folder / "results.json").read_text())
    database = duckdb.connect()
    database.sql("SET TimeZone = 'UTC'")
    database.sql(
        f"""CREATE TABLE exposures AS SELECT anonymous_id, make_timestamp(timestamp * 1000000) AS timestamp, variant, context
        FROM read_json('{folder}/exposures.jsonl', columns = {{
            anonymous_id: 'VARCHAR', timestamp: 'BIGINT', variant: 'JSON', context: 'JSON'}})"""
    )
    database.sql(
        f"""CREATE TABLE rewards AS SELECT anonymous_id, make_timestamp(timestamp * 1000000) AS timestamp, name
        FROM read_csv('{folder}/rewards.csv', types = {{'timestamp': 'BIGINT'}})"""
    )
    database.sql(f"CREATE TABLE holdout AS FROM read_csv('{folder}/holdout.csv', header = true)")
    expected, worst, compared = answers(results), 0.0, 0
    for name, statement in blocks():
        if name is None:
            database.execute(statement)
            continue
        found, said = sorted(rows(database, statement), key=order), sorted(expected.pop(name), key=order)
        assert len(found) == len(said), f"{name}: {found} against {said}"
        for ours, theirs in zip(found, said):
            assert ours.keys() == theirs.keys(), f"{name}: {ours} against {theirs}"
            for column, value in ours.items():
                other = theirs[column]
                if isinstance(value, float):
                    error = abs(value - other) / abs(value) if value else abs(other)
                    worst, compared = max(worst, error), compared + 1
                    assert error <= TOLERANCE, f"{name}.{column}: {value} by SQL, {other} by the service"
                else:
                    compared += 1
                    assert (value == other) or (str(value) == str(other)), f"{name}.{column}: {value} against {other}"
    assert not expected, f"docs/results.md has no query for {', '.join(expected)}"
    print(f"{compared} numbers by SQL are those of the service; the greatest relative difference is {worst:.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
