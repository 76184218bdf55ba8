"""The sender against a service on this machine that behaves as each test says."""

import json
import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from fulcrum_client import Event, Events

Reply = Callable[[BaseHTTPRequestHandler, list[Any]], None]


def answers(status: int, body: object, **headers: str) -> Reply:
    def reply(request: BaseHTTPRequestHandler, _: list[Any]) -> None:
        text = json.dumps(body).encode()
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("content-length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    return reply


def takes(request: BaseHTTPRequestHandler, events: list[Any]) -> None:
    answers(200, {"accepted": len(events), "rejected": [], "meta": {}})(request, events)


def refuses(status: int, message: str) -> Reply:
    return answers(status, {"error": {"code": "x", "message": message}, "meta": {}})


def hangs_up(request: BaseHTTPRequestHandler, _: list[Any]) -> None:
    request.close_connection = True


def cuts(request: BaseHTTPRequestHandler, _: list[Any]) -> None:
    request.send_response(200)
    request.send_header("content-length", "50")
    request.end_headers()
    request.wfile.write(b"{")
    request.close_connection = True


def is_late(request: BaseHTTPRequestHandler, events: list[Any]) -> None:
    time.sleep(1.5)
    hangs_up(request, events)


class Stage:
    """A service that gives one reply after the other, the last for ever, a sender to it, and what it lost."""

    def __init__(self, replies: tuple[Reply, ...], options: dict[str, Any]):
        self.sent: list[list[Any]] = []
        self.asked: list[tuple[str, str | None]] = []
        self.lost: list[tuple[list[Event], str]] = []
        stage = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                events = json.loads(self.rfile.read(int(self.headers["content-length"])))["events"]
                reply = replies[min(len(stage.sent), len(replies) - 1)]
                stage.sent.append(events)
                stage.asked.append((self.path, self.headers["authorization"]))
                reply(self, events)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        def lose(events: Sequence[Event], why: str) -> None:
            self.lost.append((list(events), why))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        given: dict[str, Any] = {"retry": 0.001, "on_lost": lose, **options}
        self.events = Events(url, "flk_key", **given)

    def ids(self) -> list[list[str]]:
        return [[event["anonymous_id"] for event in events] for events in self.sent]


@contextmanager
def stage(*replies: Reply, **options: Any) -> Generator[Stage, None, None]:
    made = Stage(replies, options)
    thread = Thread(target=made.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.events.close(0)
        made.server.shutdown()
        made.server.server_close()


def reward(n: int, **more: Any) -> dict[str, Any]:
    return {"anonymous_id": f"v{n}", "name": "signup", **more}


def test_a_hundred_events_go_at_once_fewer_after_the_interval() -> None:
    with stage(takes, interval=0.05) as made:
        for n in range(100):
            assert made.events.reward(reward(n))
        made.events.exposure({"anonymous_id": "v", "optimization_id": "o", "variant": {"size": "L"}})
        limit = time.monotonic() + 20
        while sum(map(len, made.sent)) < 101:
            assert time.monotonic() < limit, made.sent
            time.sleep(0.005)
        assert {path for path, _ in made.asked} == {"/api/v2/ingest/rewards", "/api/v2/ingest/exposures"}
        assert {authorization for _, authorization in made.asked} == {"Bearer flk_key"}
        for event in (event for events in made.sent for event in events):
            assert event["timestamp"].endswith("Z") and len(event["idempotency_key"]) == 36


def test_an_event_waits_a_second_for_others() -> None:
    with stage(takes) as made:
        started = time.monotonic()
        made.events.reward(reward(1))
        made.events.reward(reward(2))
        while not made.sent:
            assert time.monotonic() < started + 20
            time.sleep(0.005)
        assert time.monotonic() - started >= 0.99
        assert made.ids() == [["v1", "v2"]]


@pytest.mark.parametrize(
    "failure", [refuses(503, "away"), refuses(500, "x"), refuses(429, "x"), refuses(408, "x"), hangs_up, cuts, answers(200, "<html>")]
)
def test_whatever_is_no_answer_of_the_service_is_followed_by_the_same_events_with_the_same_keys(failure: Reply) -> None:
    with stage(failure, failure, takes) as made:
        made.events.reward(reward(1))
        made.events.reward(reward(2, idempotency_key="mine", timestamp="2026-11-28T06:20:16Z"))
        assert made.events.flush(60) == 0
        # Whichever was sent first came again as it was.
        assert len(made.sent) in (3, 4)
        assert made.sent[0] == made.sent[1] == made.sent[2][: len(made.sent[0])]
        last = made.sent[-1][-1]
        assert (last["idempotency_key"], last["timestamp"]) == ("mine", "2026-11-28T06:20:16Z")
        assert made.lost == []


def test_a_request_that_takes_too_long_is_broken_off_and_sent_again() -> None:
    with stage(is_late, takes, timeout=0.5) as made:
        made.events.reward(reward(1))
        assert made.events.flush(60) == 0
        assert made.ids() == [["v1"], ["v1"]]


def test_it_waits_as_long_as_the_service_asks_for() -> None:
    with stage(answers(503, {}, retry_after="1"), takes) as made:
        started = time.monotonic()
        made.events.reward(reward(1))
        assert made.events.flush(60) == 0
        assert time.monotonic() - started >= 0.99


def test_rejected_events_are_told_with_the_services_words_and_what_it_remarks() -> None:
    rejected = [{"index": 1, "code": "invalid_event", "message": "name: missing"}]
    answer = {"accepted": 1, "rejected": rejected, "warnings": [{"message": "a level"}]}
    warnings: list[str] = []
    with stage(answers(207, answer), batch=2, on_warning=warnings.append, interval=60) as made:
        made.events.reward(reward(1))
        made.events.reward(reward(2))
        assert made.events.flush(60) == 0
        made.events.close()
        assert [([event["anonymous_id"] for event in events], why) for events, why in made.lost] == [(["v2"], "name: missing")]
        assert warnings == ["a level"]


def test_an_event_of_anothers_optimization_costs_no_other_its_place() -> None:
    refusal = refuses(403, "events[1].optimization_id: o is not of your organization")
    with stage(refusal, takes, interval=60) as made:
        for n in range(3):
            made.events.reward(reward(n))
        assert made.events.flush(60) == 0
        made.events.close()
        assert made.ids() == [["v0", "v1", "v2"], ["v0", "v2"]]
        assert [events[0]["anonymous_id"] for events, _ in made.lost] == ["v1"]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_of_the_whole_request_is_not_repeated(status: int) -> None:
    with stage(refuses(status, "no"), takes) as made:
        made.events.reward(reward(1))
        assert made.events.flush(60) == 0
        made.events.close()
        assert (len(made.sent), made.lost[0][1]) == (1, "no")


def test_a_request_that_is_too_large_is_halved_and_none_has_over_4_5_mb_or_500_events() -> None:
    with stage(answers(413, "no envelope"), takes, interval=60) as made:
        for n in range(3):
            made.events.reward(reward(n))
        assert made.events.flush(60) == 0
        assert made.ids() == [["v0", "v1", "v2"], ["v0", "v1"], ["v2"]]
    large = {"large": "x" * 2_000_000}
    with stage(takes, interval=60, batch=2_000) as made:
        for n in range(3):
            made.events.reward(reward(n, properties=large))
        assert not made.events.reward(reward(4, properties={"large": "x" * 5_000_000}))
        assert "bytes; a request has" in made.lost[0][1]
        assert made.events.flush(60) == 0
        assert made.ids() == [["v0", "v1"], ["v2"]]
        for n in range(1_001):
            made.events.reward(reward(n))
        assert made.events.flush(60) == 0
        assert [len(events) for events in made.sent[2:]] == [500, 500, 1]


def test_the_queue_is_bounded_and_what_is_on_top_is_lost_and_told() -> None:
    with stage(refuses(503, "away"), queue=3, batch=2) as made:
        assert [made.events.reward(reward(n)) for n in range(4)] == [True, True, True, False]
        assert "3 rewards wait already" in made.lost[0][1]
        limit = time.monotonic() + 20
        while len(made.sent) < 2:
            assert made.events.flush(0.03) == 3 and time.monotonic() < limit
        assert made.events.close(0.5) == 3
        assert [event["anonymous_id"] for event in made.lost[1][0]] == ["v0", "v1", "v2"]
        assert not made.events.reward(reward(5))
        assert "closed" in made.lost[2][1]


def test_the_end_of_a_block_sends_what_waits_once() -> None:
    with stage(refuses(503, "away"), takes) as made:
        with made.events as events:
            events.reward(reward(1))
            events.exposure({"anonymous_id": "v", "optimization_id": "o", "variant": {"size": "L"}})
        assert (len(made.sent), made.lost) == (3, [])
        assert made.events.close() == 0
        assert len(made.sent) == 3


def test_what_is_no_json_is_lost_and_a_callback_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("of the callback")

    with caplog.at_level(logging.ERROR, "fulcrum_client"), stage(takes, on_lost=fails) as made:
        assert not made.events.reward(reward(1, value=float("nan")))
        assert not made.events.reward(reward(1, properties={"a": object()}))
        made.events.reward(reward(2))
        assert made.events.flush(60) == 0
        assert made.ids() == [["v2"]]
        assert [record.message for record in caplog.records] == ["a callback failed"] * 2


def test_by_default_the_log_tells_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    with Events("http://127.0.0.1:1", "key", queue=0) as events, caplog.at_level(logging.WARNING, "fulcrum_client"):
        events.reward(reward(1))
    assert [record.message for record in caplog.records] == ["1 events are lost: 0 rewards wait already"]


def test_a_url_and_a_key_that_cannot_be_sent_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="'fulcrum.example' is not the URL of a service"):
        Events("fulcrum.example", "key")
    with pytest.raises(ValueError, match="the key contains characters"):
        Events("https://fulcrum.example", "key\n")
