"""Sends exposures and rewards to the service: in batches, and again until they are taken."""

import json
import logging
import random
import re
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Literal, cast

from ._http import Answer, request

Event = Mapping[str, Any]
Kind = Literal["exposures", "rewards"]

_log = logging.getLogger("fulcrum_client")
# A request takes 500 events and 5 MB.
_MOST_EVENTS, _MOST_BYTES, _LONGEST_PAUSE = 500, 4_500_000, 30.0


def _log_lost(events: Sequence[Event], why: str) -> None:
    _log.warning("%d events are lost: %s", len(events), why)


def _log_warning(message: str) -> None:
    _log.warning("%s", message)


@dataclass(frozen=True)
class _Line:
    event: Event
    text: bytes


@dataclass
class _Queue:
    """The events of one kind: `lines` wait or are on their way, `gone` were before them."""

    kind: Kind
    lines: "deque[_Line]" = field(default_factory=lambda: deque[_Line]())
    gone: int = 0
    # When the first of them has waited for long enough.
    due: float | None = None
    # Somebody does not want to wait for others to come.
    hurry: bool = False


class Events:
    """Takes events from any thread and sends them from threads of its own. Times are seconds.

    What is taken is held in memory: `close` sends the rest, and so does the end of a `with` block. `on_lost` hears of events that
    will not be stored, and why; `on_warning` what the service remarks on events that it stored. By default both are logged.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        batch: int = 100,
        interval: float = 1.0,
        queue: int = 10_000,
        timeout: float = 10.0,
        retry: float = 0.2,
        on_lost: Callable[[Sequence[Event], str], None] = _log_lost,
        on_warning: Callable[[str], None] = _log_warning,
    ):
        if not re.match(r"https?://[^/]", url):
            raise ValueError(f"{url!r} is not the URL of a service, such as https://fulcrum.example")
        if not (key.isascii() and key.isprintable()):
            raise ValueError("the key contains characters that keys never contain")
        self._base = f"{url.rstrip('/')}/api/v2/ingest"
        self._key = key
        self._batch, self._interval, self._most, self._timeout, self._retry = batch, interval, queue, timeout, retry
        self._on_lost, self._on_warning = on_lost, on_warning
        self._queues: dict[Kind, _Queue] = {"exposures": _Queue("exposures"), "rewards": _Queue("rewards")}
        self._closed = self._stopped = False
        self._changed = Condition()
        self._threads = [Thread(target=self._work, args=(one,), daemon=True) for one in self._queues.values()]
        for thread in self._threads:
            thread.start()

    def exposure(self, event: Event) -> bool:
        """Takes an exposure with the fields of POST /api/v2/ingest/exposures; False where it is lost at once."""
        return self._add("exposures", event)

    def reward(self, event: Event) -> bool:
        """Takes a reward with the fields of POST /api/v2/ingest/rewards; False where it is lost at once."""
        return self._add("rewards", event)

    def flush(self, timeout: float = 10.0) -> int:
        """Sends what waits, and returns when all of it is taken or lost, or when the time is over: how many of them still wait."""
        end = time.monotonic() + timeout
        with self._changed:
            until = [(queue, queue.gone + len(queue.lines)) for queue in self._queues.values()]
            for queue, _ in until:
                queue.hurry = bool(queue.lines)
            self._changed.notify_all()

            def left() -> int:
                return sum(max(0, end - queue.gone) for queue, end in until)

            while left() > 0 and (remaining := end - time.monotonic()) > 0:
                self._changed.wait(remaining)
            return left()

    def close(self, timeout: float = 5.0) -> int:
        """Takes no more events and sends those that wait, at most for a time: how many are lost since that was over."""
        end = time.monotonic() + timeout
        with self._changed:
            self._closed = True
        self.flush(timeout)
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            # A request that is on its way is not waited for beyond the time.
            thread.join(max(0.0, end - time.monotonic()))
        left: list[Event] = []
        with self._changed:
            for queue in self._queues.values():
                left += self._taken(queue, len(queue.lines))
        if left:
            self._lost(left, "the sender was closed before the service took them")
        return len(left)

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _add(self, kind: Kind, event: Event) -> bool:
        # Keys are made here, once, so that the same event is known however often it is sent.
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole = {"timestamp": now, "idempotency_key": str(uuid.uuid4()), **event}
        try:
            text = json.dumps(whole, allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError) as error:
            self._lost([event], f"it is no JSON: {error}")
            return False
        why = None
        with self._changed:
            queue = self._queues[kind]
            if self._closed:
                why = "the sender is closed"
            elif len(queue.lines) >= self._most:
                why = f"{self._most} {kind} wait already"
            elif len(text) > _MOST_BYTES:
                why = f"it has {len(text)} bytes; a request has {_MOST_BYTES} at most"
            else:
                queue.lines.append(_Line(whole, text))
                if queue.due is None:
                    queue.due = time.monotonic() + self._interval
                self._changed.notify_all()
        if why:
            self._lost([event], why)
        return why is None

    def _work(self, queue: _Queue) -> None:
        """Sends until the sender is closed; one request of a kind at a time."""
        failures, most = 0, _MOST_EVENTS
        while lines := self._next(queue, most):
            answer, pause = self._post(queue.kind, lines)
            if answer is None or answer.status in (408, 425, 429) or answer.status >= 500:
                backoff = min(_LONGEST_PAUSE, self._retry * 2 ** min(failures, 16))
                failures += 1
                # A random half of it, so that many senders do not come back at the same moment.
                self._pause(max(backoff * (0.5 + random.random() / 2), pause))
                continue
            failures = 0
            body = _parsed(answer.text) or {}
            error: dict[str, Any] = body.get("error") or {}
            message = str(error.get("message") or f"status {answer.status}")
            # One event of an optimization that is not ours refuses them all: the others are sent without it.
            refused = re.match(r"events\[(\d+)\]", message) if answer.status == 403 else None
            lost: list[tuple[list[Event], str]] = []
            with self._changed:
                if not queue.lines:
                    # Closed meanwhile, and told as lost.
                    return
                if answer.status in (200, 207):
                    events = self._taken(queue, len(lines))
                    lost = [([events[r["index"]]], str(r["message"])) for r in body.get("rejected", [])]
                elif answer.status == 413 and len(lines) > 1:
                    most = (len(lines) + 1) // 2
                elif refused and int(refused[1]) < len(lines):
                    at = int(refused[1])
                    lost = [([lines[at].event], message)]
                    del queue.lines[at]
                    queue.gone += 1
                else:
                    lost = [(self._taken(queue, len(lines)), message)]
                self._changed.notify_all()
            for some, why in lost:
                self._lost(some, why)
            for warning in body.get("warnings", []):
                _harmless(lambda: self._on_warning(str(warning["message"])))

    def _next(self, queue: _Queue, most: int) -> list[_Line]:
        """Waits until there is something to send, and says what; nothing once the sender is stopped."""
        with self._changed:
            while not self._stopped:
                if not queue.lines:
                    queue.due, queue.hurry = None, False
                    self._changed.wait()
                    continue
                wait = (queue.due or 0.0) - time.monotonic()
                if wait <= 0 or queue.hurry or len(queue.lines) >= self._batch:
                    return _first(queue.lines, most)
                self._changed.wait(wait)
        return []

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with self._changed:
            while not self._stopped and (remaining := end - time.monotonic()) > 0:
                self._changed.wait(remaining)

    def _post(self, kind: Kind, lines: list[_Line]) -> tuple[Answer | None, float]:
        """One request. Without an answer nobody knows whether the service took them: it will know them by their keys."""
        body = b'{"events":[' + b",".join(line.text for line in lines) + b"]}"
        try:
            headers = {"authorization": f"Bearer {self._key}"}
            answer = request("POST", f"{self._base}/{kind}", headers, body, self._timeout)
        except (OSError, ValueError):
            return None, 0.0
        after = answer.headers.get("retry-after", "")
        pause = min(60.0, float(after)) if after.isdecimal() else 0.0
        # Some proxy may answer in the service's place: only its own words count as taken.
        taken = isinstance((_parsed(answer.text) or {}).get("accepted"), int)
        return (None if 200 <= answer.status < 300 and not taken else answer), pause

    def _taken(self, queue: _Queue, count: int) -> list[Event]:
        queue.gone += count
        return [queue.lines.popleft().event for _ in range(count)]

    def _lost(self, events: Sequence[Event], why: str) -> None:
        _harmless(lambda: self._on_lost(events, why))


def _first(lines: "deque[_Line]", most: int) -> list[_Line]:
    """As many lines from the beginning as one request takes."""
    taken: list[_Line] = []
    size = 0
    for line in lines:
        size += len(line.text) + 1
        if len(taken) == most or (taken and size > _MOST_BYTES):
            break
        taken.append(line)
    return taken


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _harmless(callback: Callable[[], None]) -> None:
    """A callback whose own fault stops nothing here."""
    try:
        callback()
    except Exception:
        _log.exception("a callback failed")
