#!/usr/bin/env python3
"""Writes the files beside it: the same exposures and the same rewards as pyarrow, pandas and DuckDB write them.

  exposures.*  rewards.*    any file of the first with any of the second is the same snapshot
  expected.json             its cells, by a plain loop over every pair: [headline, sticky, device or null, n, sum, sum of squares]

Rows are from a fixed seed; the bytes also depend on the versions of the libraries. pip install numpy pyarrow pandas duckdb
"""
import collections, datetime as dt, glob, json, os, random, uuid

import duckdb, pandas as pd, pyarrow as pa, pyarrow.csv, pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
rng = random.Random(7)
T0 = dt.datetime(2026, 6, 1)
HOUR = 3600

users = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(12)]
exposures = [
    dict(anonymous_id=rng.choice(users), seconds=rng.randrange(0, 48 * HOUR), headline=rng.choice(["Ship faster", 'Build "better"', "Größer"]),
         sticky=rng.random() < 0.5, device=rng.choice(["mobile", "desktop", None]))
    for _ in range(60)
]
rewards = []
for e in rng.sample(exposures, 20):
    rewards.append(dict(anonymous_id=e["anonymous_id"], seconds=e["seconds"] + rng.randrange(0, 12 * HOUR), value=rng.randrange(1, 400) / 4))
rewards.append(dict(anonymous_id=exposures[0]["anonymous_id"], seconds=exposures[0]["seconds"], value=8.0))
rewards.append(dict(anonymous_id=exposures[1]["anonymous_id"], seconds=exposures[1]["seconds"] + 6 * HOUR, value=9.0))

# the oracle: last touch, window of six hours, both ends included
credit = collections.defaultdict(float)
for r in rewards:
    inside = [i for i, e in enumerate(exposures) if e["anonymous_id"] == r["anonymous_id"] and e["seconds"] <= r["seconds"] <= e["seconds"] + 6 * HOUR]
    if inside:
        credit[max(inside, key=lambda i: (exposures[i]["seconds"], i))] += r["value"]
table = {}
for i, e in enumerate(exposures):
    n, s, q = table.get((e["headline"], e["sticky"], e["device"]), (0, 0.0, 0.0))
    table[e["headline"], e["sticky"], e["device"]] = (n + 1, s + credit[i], q + credit[i] ** 2)
expected = [[*k, *v] for k, v in sorted(table.items(), key=str)]

for old in glob.glob(f"{HERE}/exposures.*") + glob.glob(f"{HERE}/rewards.*"):
    os.unlink(old)
json.dump(expected, open(f"{HERE}/expected.json", "w"), ensure_ascii=False, indent=1)


def path(name):
    return os.path.join(HERE, name)


def times(rows, unit, zone=None):
    return pa.array([T0 + dt.timedelta(seconds=r["seconds"]) for r in rows], pa.timestamp(unit)).cast(pa.timestamp(unit, zone))


def column(rows, name, kind=None):
    return pa.array([r[name] for r in rows], kind)


def variant(e):
    return {"headline": e["headline"], "sticky": e["sticky"]}


def text(rows, of):
    return pa.array([json.dumps(of(r), ensure_ascii=False) for r in rows])


def context(e):
    return {} if e["device"] is None else {"device": e["device"]}


def exposure_table(time, variant_column, context_column, ids=None):
    return pa.table({"anonymous_id": ids if ids is not None else column(exposures, "anonymous_id"), "timestamp": time,
                     "variant": variant_column, "context": context_column})


json_variant, json_context = text(exposures, variant), text(exposures, context)
structs = pa.array([variant(e) for e in exposures], pa.struct([("headline", pa.string()), ("sticky", pa.bool_())]))
context_structs = pa.array([{"device": e["device"]} for e in exposures], pa.struct([("device", pa.string())]))
maps = pa.array([[("headline", e["headline"]), ("sticky", str(e["sticky"]).lower())] for e in exposures], pa.map_(pa.string(), pa.string()))
context_maps = pa.array([list(context(e).items()) for e in exposures], pa.map_(pa.string(), pa.string()))

w = pq.write_table
w(exposure_table(times(exposures, "s"), json_variant, json_context), path("exposures.pyarrow-s-text.parquet"))
w(exposure_table(times(exposures, "s", "UTC"), json_variant.dictionary_encode(), json_context.dictionary_encode(),
                 column(exposures, "anonymous_id").dictionary_encode()), path("exposures.pyarrow-s-utc-dictionary.parquet"), compression="zstd")
w(exposure_table(times(exposures, "ms"), structs, context_structs), path("exposures.pyarrow-ms-struct.parquet"), compression="gzip")
w(exposure_table(times(exposures, "ms", "Europe/Berlin"), maps, context_maps), path("exposures.pyarrow-ms-berlin-map.parquet"), compression="lz4")
w(exposure_table(times(exposures, "us"), json_variant.cast(pa.large_string()), json_context.cast(pa.string_view()),
                 column(exposures, "anonymous_id").cast(pa.large_string())), path("exposures.pyarrow-us-large-plain.parquet"), use_dictionary=False,
  data_page_version="2.0", row_group_size=17)
w(exposure_table(times(exposures, "us", "America/New_York"), structs, json_context), path("exposures.pyarrow-us-new-york-delta.parquet"),
  use_dictionary=False, column_encoding={"anonymous_id": "DELTA_BYTE_ARRAY", "timestamp": "DELTA_BINARY_PACKED", "context": "DELTA_LENGTH_BYTE_ARRAY",
                                         "variant.headline": "DELTA_BYTE_ARRAY"})
w(exposure_table(times(exposures, "ns", "UTC"), maps, json_context), path("exposures.pyarrow-ns-utc-map.parquet"), compression=None)
w(exposure_table(times(exposures, "ns"), json_variant, context_structs), path("exposures.pyarrow-int96.parquet"), use_deprecated_int96_timestamps=True)

frame = pd.DataFrame({"anonymous_id": [e["anonymous_id"] for e in exposures],
                      "timestamp": pd.to_datetime([T0 + dt.timedelta(seconds=e["seconds"]) for e in exposures]),
                      "headline": pd.Categorical([e["headline"] for e in exposures]), "sticky": [e["sticky"] for e in exposures],
                      "device": pd.Categorical([e["device"] for e in exposures])})
frame.to_parquet(path("exposures.pandas-columns.parquet"))
frame.assign(timestamp=frame.timestamp.dt.tz_localize("UTC")).to_csv(path("exposures.pandas-columns.csv"), index=False)
frame.to_json(path("exposures.pandas-columns.jsonl.gz"), orient="records", lines=True, date_format="epoch")
nested = pd.DataFrame({"anonymous_id": frame.anonymous_id, "timestamp": frame.timestamp, "variant": [variant(e) for e in exposures],
                       "context": [context(e) for e in exposures]})
nested.to_json(path("exposures.pandas-nested.json"), orient="records", lines=True, date_format="iso")

con = duckdb.connect()
con.execute("SET TimeZone = 'UTC'")
con.register("base", pa.table({"anonymous_id": column(exposures, "anonymous_id"), "timestamp": times(exposures, "us"),
                               "headline": column(exposures, "headline"), "sticky": column(exposures, "sticky"), "device": column(exposures, "device")}))
con.execute("CREATE TABLE e AS SELECT row_number() OVER () AS i, * FROM base")
struct = "{'headline': headline, 'sticky': sticky}"
duck_map = "MAP {'headline': headline, 'sticky': CAST(sticky AS VARCHAR)}"
for name, select, options in [
    ("struct-tz.parquet", f"anonymous_id, timestamp::TIMESTAMPTZ AS timestamp, {struct} AS variant, {{'device': device}} AS context", "FORMAT parquet"),
    ("uuid-ns.parquet", f"anonymous_id::UUID AS anonymous_id, timestamp::TIMESTAMP_NS AS timestamp_utc, to_json({struct})::VARCHAR AS variant, device",
     "FORMAT parquet, COMPRESSION zstd"),
    ("map-v2.parquet", f"anonymous_id, timestamp::TIMESTAMP_MS AS timestamp, {duck_map} AS variant, MAP {{'device': device}} AS context",
     "FORMAT parquet, PARQUET_VERSION v2"),
    ("json-upper.parquet", f"anonymous_id AS ANONYMOUS_ID, epoch_ms(timestamp) AS TIMESTAMP, {struct}::JSON AS VARIANT, {{'device': device}}::JSON AS CONTEXT",
     "FORMAT parquet, COMPRESSION uncompressed"),
    ("text.csv.zst", f"anonymous_id, timestamp, to_json({struct}) AS variant, to_json({{'device': device}}) AS context", "FORMAT csv, HEADER, COMPRESSION zstd"),
    ("nested.jsonl.zst", f"anonymous_id, timestamp, {struct} AS variant, {{'device': device}} AS context", "FORMAT json, COMPRESSION zstd"),
]:
    con.execute(f"COPY (SELECT {select} FROM e ORDER BY i) TO '{path('exposures.duckdb-' + name)}' ({options})")


def reward_table(time, values, **more):
    return pa.table({"anonymous_id": column(rewards, "anonymous_id"), "timestamp": time, "value": values, **more})


doubles, names = column(rewards, "value", pa.float64()), pa.array(["signup"] * len(rewards))
w(reward_table(times(rewards, "us", "UTC"), doubles, name=names.dictionary_encode()), path("rewards.pyarrow-us-utc.parquet"))
w(reward_table(times(rewards, "s"), doubles.cast(pa.decimal128(18, 2)), name=names), path("rewards.pyarrow-s-decimal.parquet"))
pd.DataFrame({"anonymous_id": [r["anonymous_id"] for r in rewards], "timestamp": pd.to_datetime([T0 + dt.timedelta(seconds=r["seconds"]) for r in rewards]),
              "name": "signup", "value": [r["value"] for r in rewards]}).to_csv(path("rewards.pandas.csv.gz"), index=False)
pa.csv.write_csv(reward_table(times(rewards, "ms", "UTC"), doubles), path("rewards.pyarrow.csv"))
con.register("reward_base", reward_table(times(rewards, "us"), doubles))
for name, select, options in [
    ("float.parquet", "anonymous_id::UUID AS anonymous_id, timestamp::TIMESTAMPTZ AS timestamp, 'signup' AS name, value::FLOAT AS value", "FORMAT parquet"),
    ("lines.ndjson", "anonymous_id, epoch(timestamp)::BIGINT AS timestamp, 'signup' AS name, value::DECIMAL(9,2) AS value", "FORMAT json"),
]:
    con.execute(f"COPY (SELECT {select} FROM reward_base) TO '{path('rewards.duckdb-' + name)}' ({options})")
