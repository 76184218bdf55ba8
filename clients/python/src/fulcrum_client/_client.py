"""Serves by the policy at hand, else by the network, else the caller's fallback."""

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Literal, TypeVar, cast

from ._http import Answer, request
from ._policy import Context, Decision, Variant, compile_policy

_T = TypeVar("_T")


@dataclass(frozen=True)
class Served:
    """What a user is served, and where it comes from: `decision` is None where the fallback stands in for it, `error` says why."""

    variant: Variant
    source: Literal["policy", "network", "fallback"]
    decision: Decision | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class _State:
    """The policy at hand, and until when nobody asks for another."""

    until: float = 0.0
    decide: Callable[[str, Context], Decision | None] | None = None
    etag: str | None = None
    error: Exception | None = None


class Client:
    """Serves the visitors of one optimization; safe to use from several threads. Times are seconds."""

    def __init__(self, url: str, optimization: str, timeout: float = 2.0, *, clock: Callable[[], float] = time.monotonic):
        self._base = f"{url.rstrip('/')}/api/v2/optimizations/{optimization}"
        self.timeout = timeout
        self._clock = clock
        self._lock = Lock()
        self._state = _State()
        self._pending: Future[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether no request for a policy is on its way."""
        with self._lock:
            return self._pending is None

    def serve(self, user: str, context: Context, fallback: Variant) -> Served:
        """Decides at once by a policy at hand, up to 30 s past its time. Else it waits, at most the time-out in all. It never raises."""
        try:
            decision, by_policy = self._decided(user, context, time.monotonic() + self.timeout)
            return Served(decision["variant"], "policy" if by_policy else "network", decision)
        except Exception as error:
            return Served(fallback, "fallback", error=error)

    def _decided(self, user: str, context: Context, deadline: float) -> tuple[Decision, bool]:
        now = self._clock()
        with self._lock:
            state = self._state
            if now >= state.until and self._pending is None:
                self._pending = _start(lambda: self._refresh(deadline))
            pending = self._pending
        if pending and (state.decide is None or now >= state.until + 30):
            _wait(pending, deadline)
        state = self._state
        decision = state.decide(user, context) if state.decide else None
        if decision:
            return decision, True
        if state.error:
            raise state.error
        body = json.dumps({"anonymous_id": user, "context": context}, allow_nan=False).encode()
        answer = _wait(_start(lambda: self._ask("serve", deadline, (200,), body=body)), deadline)
        decision = cast(Decision, json.loads(answer.text))
        return decision, False

    def _refresh(self, deadline: float) -> None:
        """404 and 409 end a policy. Whatever else goes wrong leaves it in use, and is asked again after 5 s."""
        known = self._state
        try:
            headers = {"if-none-match": known.etag} if known.etag else {}
            answer = self._ask("policy", deadline, (200, 304, 404, 409), headers=headers)
            found = re.search(r"max-age=(\d+)", answer.headers.get("cache-control", ""))
            age = answer.headers.get("age", "")
            seconds = (int(found[1]) if found else 30) - (int(age) if age.isdecimal() else 0)
            until = self._clock() + max(1, seconds)
            if answer.status == 200:
                state = _State(until, compile_policy(json.loads(answer.text)), answer.headers.get("etag"))
            elif answer.status == 304:
                state = _State(until, known.decide, known.etag)
            else:
                state = _State(until)
        except Exception as error:
            state = _State(self._clock() + 5, known.decide, known.etag, error)
        with self._lock:
            self._state, self._pending = state, None

    def _ask(
        self,
        path: str,
        deadline: float,
        expected: tuple[int, ...],
        *,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Asks once more after a broken connection, 429 and 5xx, where there is time."""
        method = "POST" if body is not None else "GET"

        def ask() -> Answer:
            return request(method, f"{self._base}/{path}", headers or {}, body, deadline - time.monotonic())

        try:
            answer = ask()
        except TimeoutError:
            raise
        except OSError:
            answer = ask()
        else:
            if answer.status == 429 or answer.status >= 500:
                answer = ask()
        if answer.status not in expected:
            raise RuntimeError(f"{answer.status} {answer.text}")
        return answer


def _start(work: Callable[[], _T]) -> "Future[_T]":
    """Runs work beside the caller, who may stop waiting for it: a slow answer trickles past every time-out of a socket."""
    future: Future[_T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def _wait(future: "Future[_T]", deadline: float) -> _T:
    return future.result(max(0.0, deadline - time.monotonic()))
