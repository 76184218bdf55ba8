"""The sender against the local service, over a network that fails in every way: what was taken is counted once."""

import json
import os
import re
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from fulcrum_client import Client, Event, Events

_BUILT = Path(__file__).parents[3] / "target/debug/fulcrum"
BINARY = os.environ.get("FULCRUM_BINARY") or (str(_BUILT) if _BUILT.exists() else None)


class Local:
    """A running `fulcrum local`."""

    def __init__(self, variables: dict[str, str]):
        self.url, self.key = variables["FULCRUM_URL"], variables["FULCRUM_API_KEY"]

    def api(self, method: str, path: str, body: Any = None) -> Any:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v2/{path}", text, {"authorization": f"Bearer {self.key}"})
            answer = connection.getresponse()
            read = json.loads(answer.read())
            assert answer.status < 300, (method, path, answer.status, read)
            return read
        finally:
            connection.close()


@contextmanager
def service() -> Generator[Local, None, None]:
    assert BINARY
    command = [BINARY, "local", "--ephemeral", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}) as child:
        assert child.stdout
        file = None
        for line in child.stdout:
            found = re.match(r"Environment\s+(.*)", line)
            file = file or (found and found[1])
            if line.startswith("Ctrl-C"):
                break
        try:
            assert file, "it ended before it was up"
            lines = [line for line in Path(file).read_text().splitlines() if line and not line.startswith("#")]
            yield Local(dict(line.split("=", 1) for line in lines))
        finally:
            child.terminate()
            child.stdout.read()


class Network:
    """Stands in front of a service, and does to each request what is next in the list; the last for ever."""

    def __init__(self, url: str, fates: list[str]):
        self.seen = 0
        lock, network, host = Lock(), self, urlsplit(url).netloc

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with lock:
                    fate = fates[min(network.seen, len(fates) - 1)]
                    network.seen += 1
                self.close_connection = True
                if fate == "never arrives":
                    return
                if fate in ("503", "429"):
                    self.answer(int(fate), b"{}", 2)
                    return
                connection = HTTPConnection(host, timeout=60)
                headers = {"authorization": self.headers["authorization"], "content-type": "application/json"}
                connection.request("POST", self.path, body, headers)
                answer = connection.getresponse()
                text = answer.read()
                connection.close()
                if fate == "its answer is late":
                    time.sleep(4)
                if fate != "its answer is lost":
                    self.answer(answer.status, text[:5] if fate == "its answer is cut" else text, len(text))

            def answer(self, status: int, body: bytes, length: int) -> None:
                try:
                    self.send_response(status)
                    self.send_header("content-length", str(length))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    # Nobody waits for this answer any more.
                    pass

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.mark.skipif(BINARY is None, reason="FULCRUM_BINARY has to name the command; `cargo build -p fulcrum` makes it")
def test_whatever_fails_on_the_way_every_event_is_counted_once() -> None:
    bad = ["never arrives", "503", "its answer is lost", "its answer is cut", "429", "its answer is late"]
    # Each failure alone, then all of them in a row.
    fates = [fate for one in bad for fate in (one, "passes")] + bad + ["passes"]
    lost: list[str] = []

    def lose(events: Sequence[Event], _: str) -> None:
        lost.extend(event["anonymous_id"] for event in events)

    with service() as local:
        config = {
            "design_factors": [{"name": "headline", "dtype": "str", "levels": ["A", "B"]}],
            "reward": {"name": "signup", "type": "bool"},
            "attribution": {"type": "last_touch", "conversion_window_hours": 24, "immature": "include"},
        }
        made = local.api("POST", "models", {"model_type": "mab", "training_data_config": config})
        network = Network(local.url, fates)
        events = Events(network.url, local.key, batch=20, interval=0.05, timeout=2, retry=0.005, on_lost=lose)
        client, rewards = Client(local.url, made["optimization_id"], 30), 0
        for n in range(200):
            served = client.serve(f"visitor-{n}", {}, {"headline": "A"})
            assert served.decision
            picked = ("variant", "propensity", "posterior_version", "holdout", "optimization_id")
            told = {name: value for name, value in served.decision.items() if name in picked}
            assert events.exposure({"anonymous_id": f"visitor-{n}", **told})
            if served.variant["headline"] == "B":
                events.reward({"anonymous_id": f"visitor-{n}", "name": "signup"})
                rewards += 1
            if n % 10 == 0:
                events.flush(60)
        # None of ours: told, and nothing else of its batch is.
        foreign = "4754cae0-9a5d-4691-91af-6d15ccc1f82e"
        events.exposure({"anonymous_id": "x", "optimization_id": foreign, "variant": {"headline": "A"}})
        events.reward({"anonymous_id": "x", "name": ""})
        assert events.close(60) == 0
        network.server.shutdown()
        network.server.server_close()
        assert network.seen > len(fates), "not all of the failures came about"
        assert lost == ["x", "x"]

        limit, seen = time.monotonic() + 60, dict[str, Any]()
        while (seen.get("exposures", 0), seen.get("rewards", 0)) != (200, rewards):
            assert time.monotonic() < limit, seen
            local.api("POST", "ingest/flush")
            time.sleep(0.2)
            for newest in local.api("GET", f"models/{made['id']}/posteriors")["posteriors"][:1]:
                seen = newest["observations"]
        assert (seen["attributed_rewards"], seen["skipped"]) == (rewards, {})
