"""The client against a service on this machine that behaves as each test says."""

import json
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from fulcrum_client import Client

ROOT = Path(__file__).parents[3]
CASES = json.loads((ROOT / "clients/typescript/test/data/answers.json").read_text())["cases"]
ALWAYS, OBSERVED = CASES[0], CASES[2]
KNOWN = ALWAYS["users"][0]
STRANGER = next(user for user in OBSERVED["users"] if user["decision"] is None)
FALLBACK: dict[str, str | bool] = {"size": "S"}

Reply = Callable[[BaseHTTPRequestHandler], None]


def answers(status: int, body: object, **headers: str) -> Reply:
    def reply(request: BaseHTTPRequestHandler) -> None:
        text = b"" if body is None else json.dumps(body).encode()
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("content-length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    return reply


def publishes(document: Any, etag: str) -> Reply:
    return answers(200, document, etag=etag, cache_control="public, max-age=30")


def hangs_up(request: BaseHTTPRequestHandler) -> None:
    request.close_connection = True


class Stage:
    """A service that gives one reply after the other, the last for ever, a client of it, and its clock."""

    def __init__(self, replies: list[Reply], timeout: float):
        self.requests: list[str] = []
        self.bodies: list[Any] = []
        self.tags: list[str | None] = []
        self.now = 0.0
        stage = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                text = self.rfile.read(int(self.headers.get("content-length", 0)))
                if text:
                    stage.bodies.append(json.loads(text))
                stage.tags.append(self.headers.get("if-none-match"))
                reply = replies[min(len(stage.requests), len(replies) - 1)]
                stage.requests.append(f"{self.command} {self.path.rsplit('/', 1)[-1]}")
                reply(self)

            do_GET = answer
            do_POST = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.client = Client(url, "the-optimization", timeout, clock=lambda: self.now)

    def source(self, user: str = "u") -> str:
        return self.client.serve(user, {}, FALLBACK).source

    def settle(self, requests: int) -> None:
        """Lets a request that nobody waits for come to its end."""
        limit = time.monotonic() + 10
        while len(self.requests) < requests or not self.client.idle:
            assert time.monotonic() < limit, self.requests
            time.sleep(0.005)


@contextmanager
def stage(*replies: Reply, timeout: float = 10.0) -> Generator[Stage, None, None]:
    made = Stage(list(replies), timeout)
    thread = Thread(target=made.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()


def test_one_request_for_the_policy_then_none() -> None:
    with stage(publishes(ALWAYS["policy"], '"1"')) as made:
        first = made.client.serve(KNOWN["id"], KNOWN["context"], FALLBACK)
        assert (first.source, first.decision) == ("policy", KNOWN["decision"])
        assert first.variant == KNOWN["decision"]["variant"]
        assert {made.source(str(user)) for user in range(100)} == {"policy"}
        assert made.requests == ["GET policy"]


def test_after_the_cache_time_it_asks_whether_the_policy_changed_and_decides_by_the_old_one_meanwhile() -> None:
    newer = publishes({**ALWAYS["policy"], "posterior_version": 8}, '"2"')
    unchanged = answers(304, None, cache_control="public, max-age=10")
    with stage(publishes(ALWAYS["policy"], 'W/"1"'), unchanged, newer) as made:

        def version() -> int:
            decision = made.client.serve("u", {}, FALLBACK).decision
            assert decision
            return decision["posterior_version"]

        assert version() == 7
        made.now = 29.9
        assert version() == 7
        assert len(made.requests) == 1
        made.now = 30
        assert version() == 7
        made.settle(2)
        assert made.tags == [None, 'W/"1"']
        made.now = 40
        assert version() == 7
        made.settle(3)
        assert version() == 8


def test_a_policy_is_waited_for_once_it_is_30_s_past_its_time() -> None:
    newer = publishes({**ALWAYS["policy"], "posterior_version": 8}, '"2"')
    with stage(publishes(ALWAYS["policy"], '"1"'), newer) as made:
        assert made.source() == "policy"
        made.now = 60
        decision = made.client.serve("u", {}, FALLBACK).decision
        assert decision and decision["posterior_version"] == 8


@pytest.mark.parametrize("user", ["", "x" * 1_025, "a\ud800"])
def test_an_id_that_the_service_refuses_gets_the_fallback_and_no_request_for_it(user: str) -> None:
    with stage(publishes(ALWAYS["policy"], '"1"')) as made:
        served = made.client.serve(user, {}, FALLBACK)
        assert served.source == "fallback" and isinstance(served.error, ValueError)
        assert made.requests == ["GET policy"]


def test_where_the_policy_has_another_format_the_service_decides() -> None:
    with stage(publishes({"format": "fulcrum.policy.v3"}, '"1"'), answers(200, KNOWN["decision"])) as made:
        served = made.client.serve("u", {}, FALLBACK)
        assert (served.source, served.decision) == ("network", KNOWN["decision"])
        assert made.requests == ["GET policy", "POST serve"]


def test_a_context_without_a_row_goes_to_the_service() -> None:
    decision = {**KNOWN["decision"], "variant_index": 1, "variant": {"size": "L"}}
    with stage(publishes(OBSERVED["policy"], '"1"'), answers(200, decision)) as made:
        served = made.client.serve(STRANGER["id"], STRANGER["context"], FALLBACK)
        assert (served.source, served.decision) == ("network", decision)
        assert made.bodies == [{"anonymous_id": STRANGER["id"], "context": STRANGER["context"]}]


@pytest.mark.parametrize("failure", [answers(500, {}), answers(503, {}), answers(429, {}), hangs_up])
def test_one_retry_after_5xx_429_and_a_broken_connection(failure: Reply) -> None:
    with stage(failure, publishes(ALWAYS["policy"], '"1"')) as made:
        assert made.source() == "policy"
        assert made.requests == ["GET policy", "GET policy"]


def test_the_networked_call_is_tried_twice_then_there_is_the_fallback() -> None:
    with stage(publishes(OBSERVED["policy"], '"1"'), answers(502, {})) as made:
        served = made.client.serve("u", STRANGER["context"], FALLBACK)
        assert (served.source, served.variant, served.decision) == ("fallback", FALLBACK, None)
        assert made.requests == ["GET policy", "POST serve", "POST serve"]


@pytest.mark.parametrize("status", [404, 409])
def test_404_and_409_end_the_cached_policy(status: int) -> None:
    with stage(publishes(ALWAYS["policy"], '"1"'), answers(status, {"error": "no model"})) as made:
        assert made.source() == "policy"
        made.now = 60
        served = made.client.serve("u", {}, FALLBACK)
        assert served.source == "fallback" and f"{status}" in str(served.error) and "no model" in str(served.error)
        assert made.requests == ["GET policy", "GET policy", "POST serve"]


def test_another_refusal_leaves_the_policy_in_use_and_is_asked_again_after_5_s() -> None:
    with stage(publishes(ALWAYS["policy"], '"1"'), answers(403, {})) as made:
        assert made.source() == "policy"
        for now, requests in [(30.0, 2), (34.9, 2), (35.0, 3)]:
            made.now = now
            assert made.source() == "policy"
            made.settle(requests)
            assert len(made.requests) == requests


def test_a_silent_service_costs_one_time_out_in_all_and_nothing_until_it_is_asked_again() -> None:
    over = Event()
    with stage(lambda _: (over.wait(30), None)[1], timeout=0.3) as made:
        started = time.monotonic()
        served = made.client.serve("u", {}, FALLBACK)
        assert served.source == "fallback" and isinstance(served.error, TimeoutError)
        assert time.monotonic() - started >= 0.29
        made.settle(1)
        assert made.source() == "fallback"
        assert made.requests == ["GET policy"]
        over.set()


def test_the_default_time_out_is_2_s() -> None:
    assert Client("http://127.0.0.1", "o").timeout == 2
