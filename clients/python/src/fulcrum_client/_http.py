"""One request by the standard library: any status is an answer, and what is no answer is an OSError."""

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen


@dataclass(frozen=True)
class Answer:
    """Status, headers with names in lower case, and text."""

    status: int
    headers: Mapping[str, str]
    text: str


def request(method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Answer:
    """Sends a request. Raises TimeoutError where the time is over, and another OSError where the connection breaks."""
    if timeout <= 0:
        raise TimeoutError("no time is left for the request")
    asked = Request(url, data=body, method=method, headers=dict(headers))
    if body is not None:
        asked.add_header("content-type", "application/json")
    try:
        with urlopen(asked, timeout=timeout) as answer:
            return _read(answer.status, answer.headers.items(), answer.read())
    except HTTPError as error:
        with error:
            return _read(error.code, error.headers.items(), error.read())
    except URLError as error:
        if isinstance(error.reason, OSError):
            raise error.reason from error
        raise ConnectionError(str(error.reason)) from error
    except HTTPException as error:
        raise ConnectionError(repr(error)) from error


def _read(status: int, headers: "list[tuple[str, str]]", body: bytes) -> Answer:
    return Answer(status, {name.lower(): value for name, value in headers}, body.decode())
