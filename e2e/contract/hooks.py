"""What schemathesis cannot read in the description: ids that exist, data to train on, and rules that no schema can say."""

import atexit
import json
import os
import re
import subprocess
import tempfile
import uuid
from collections import Counter
from itertools import count
from pathlib import Path

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

# A trained model and its optimization, made before the first call. Half of the valid requests are about them, none deletes them.
MODEL, OPTIMIZATION = os.environ["CONTRACT_MODEL"], os.environ["CONTRACT_OPTIMIZATION"]
# Another optimization: what events come to as a snapshot is seldom anything to train on.
OF_EVENTS = os.environ["CONTRACT_OF_EVENTS"]
KEPT = (MODEL, OPTIMIZATION, OF_EVENTS)

# A valid request may be refused for what a schema cannot say or what depends on what is stored, and for nothing else: the
# operations, the code of the error, and what each of its messages says.
REFUSED = [
    # Fields that have to fit each other.
    ("optimizationResults", "invalid_request", r"^from: \S+ is after to, \S+$"),
    ("create.*", "invalid_request", r"reward\.(cap|distribution): it is of numeric rewards"),
    ("create.*", "invalid_request", r"reward\.type: a reward with outcomes is bool"),
    # What has to differ, in more than JSON can tell: levels in their values, names in more than their case.
    ("create.*", "invalid_request", r"factors\[\d+\]\.levels: factor .* has level .* twice$"),
    ("create.*", "invalid_request", r"factors\[\d+\]\.levels\[\d+\]\.id: .* is the id of two levels$"),
    ("create.*", "invalid_request", r"factors\[\d+\]\.name: .* is taken by "),
    ("create.*", "invalid_request", r"reward\.outcomes\[\d+\]\.(key: .* is the key of two|match: it is that of)"),
    ("create.*", "invalid_request", r'reward\.outcomes\[\d+\]\.key: "failure" is what'),
    ("create.*", "invalid_request", r"guardrails\[\d+\]\.name: .* (is the name of two guardrails$|is what the model learns from;)"),
    ("create.*", "invalid_request", r"guardrails\[\d+\]\.margin_percent: \S+ is not below 100 per cent"),
    # What several fields come to.
    ("create.*", "invalid_request", r"design_factors: the levels make \d+ variants; at most 1000 are allowed$"),
    ("create.*", "invalid_request", r"levels and pairs of levels make \d+ coefficients; at most 2000 can be learned$"),
    ("create.*", "invalid_request", r"minimum_share: .* allowed variants is .* in all"),
    ("create.*", "invalid_request", r"excluded_combinations: they (exclude the baseline|leave only the baseline)"),
    ("create.*", "invalid_request", r"the configuration takes \d+ bytes as JSON"),
    # The names of factors and their levels are those of the configuration.
    ("create.*", "invalid_request", r"excluded_combinations\[\d+\]\..*: (there is no design factor|.* is not a level of)"),
    ("trainModel", "invalid_request", r"bias\..*: there is no factor"),
    ("evaluatePolicy", "invalid_request", r"policies\[\d+\]\.(variant|table\[\d+\]\.(variant|context))(\..*)?: "),
    # So are probabilities that add up, rows that differ, and versions that are there.
    ("evaluatePolicy", "invalid_request", r"policies\[\d+\]\.table: the probabilities of .* add up to "),
    ("evaluatePolicy", "invalid_request", r"policies\[\d+\]\.table\[\d+\]: the same context and variant as in a row before"),
    ("evaluatePolicy", "invalid_request", r"policies\[\d+\]\.posterior_version: version \d+ of model \S+ is not kept"),
    # Whether there is a log depends on the snapshot.
    ("evaluatePolicy", "conflict", r"^there is nothing to value policies on: "),
    # A cursor is opaque: what is no `meta.next_cursor` of an answer is none.
    ("list.*|modelState|optimizationHistory", "invalid_request", r"cursor: .* is not a cursor; send meta\.next_cursor"),
    # An answer of another operation names no model where there is none, and schemathesis sends that as an id.
    (".*", "invalid_request", r'id: "(None|null)" is not a UUID'),
    # What was sent before under the same key is not in the schema.
    ("create.*|trainModel", "idempotency_mismatch", ""),
    # It is about the data.
    ("trainModel", "no_observations|invalid_snapshot|not_fitted", ""),
]

calls: Counter[str] = Counter()
numbers = count()


def operation_id(case):
    return case.operation.definition.raw["operationId"]


def is_positive(case):
    return case.meta is None or case.meta.generation.mode.is_positive


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts another key into most requests that have a good one, and ids that exist into half of the valid requests."""
    number, name = next(numbers), operation_id(case)
    key = (case.headers or {}).get("Idempotency-Key")
    # A key that was sent before hides whatever else is wrong.
    if isinstance(key, str) and re.fullmatch("[!-~]{1,230}", key) and number % 8:
        case.headers["Idempotency-Key"] = f"{os.getpid()}-{number}-{key}"
    in_path = case.path_parameters or {}
    if name in ("deleteModel", "updateOptimization"):
        if in_path.get("id") in KEPT:
            in_path["id"] = str(uuid.uuid4())
    elif is_positive(case) and number % 2:
        if "id" in in_path:
            in_path["id"] = MODEL if "/models/" in case.path else OPTIMIZATION
        if isinstance(case.body, dict) and name == "bestVariant":
            case.body["optimization_id"] = OPTIMIZATION
    if isinstance(case.body, dict) and is_positive(case):
        for event in case.body.get("events") or []:
            if isinstance(event, dict) and "optimization_id" in event:
                event["optimization_id"] = OF_EVENTS


@schemathesis.hook
def after_call(context, case, response):
    """Counts the calls, and uploads a snapshot for what was made to be trained next."""
    calls[f"{operation_id(case)} {response.status_code}"] += 1
    follows = case.meta is not None and case.meta.phase.name.value == "stateful"
    if response.status_code == 201 and follows:
        made = response.json()
        upload(made["id" if operation_id(case) == "createOptimization" else "optimization_id"], case.body["training_data_config"])


def upload(optimization, config):
    """Writes 1,000 exposures of each of the first two levels of every factor as a snapshot."""

    def levels(factors, place):
        chosen = {}
        for factor in factors:
            level = (factor.get("levels") or [False, True])[place]
            chosen[factor["name"]] = level["value"] if isinstance(level, dict) else level
        return chosen

    with tempfile.TemporaryDirectory() as folder:
        cells = Path(folder, "cells")
        cells.mkdir()
        lines = [
            json.dumps({
                "variant": levels(config["design_factors"], place),
                "context": levels(config.get("context_factors") or [], place),
                "n": 1000, "reward_sum": 100 + 50 * place, "reward_sum_sq": 100 + 50 * place, "nonzero": 100 + 50 * place,
            }) for place in (0, 1)
        ]
        cells.joinpath("part-0.jsonl").write_text("\n".join(lines))
        subprocess.run([os.environ["FULCRUM_BINARY"], "snapshots", "put", optimization, folder], check=True, capture_output=True)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps the refusal of a valid request as a failure but for the reasons that are listed above."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    error = response.json()["error"]
    messages = [f"{detail['field']}: {detail['message']}" for detail in error.get("details", [])] or [error["message"]]
    rules = [rule for of, code, rule in REFUSED if re.fullmatch(of, operation_id(case)) and re.fullmatch(code, error["code"])]
    return not all(any(re.search(rule, message, re.DOTALL) for rule in rules) for message in messages)


@schemathesis.check
def every_event_is_counted(ctx, response, case):
    """Of a batch, what is accepted and what is rejected is all there was."""
    if not operation_id(case).startswith("ingest") or response.status_code not in (200, 207):
        return
    answer, sent = response.json(), len(case.body["events"])
    rejected = {event["index"] for event in answer["rejected"]}
    assert answer["accepted"] + len(rejected) == sent == answer["accepted"] + len(answer["rejected"]), f"{sent} were sent: {answer}"
    assert rejected <= set(range(sent)) and (response.status_code == 207) == bool(rejected), f"{response.status_code}: {answer}"


@atexit.register
def write_calls():
    Path(os.environ["CONTRACT_CALLS"]).write_text(json.dumps(calls))
