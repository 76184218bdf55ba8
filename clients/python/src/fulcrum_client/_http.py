"""One request by the standard library: any status is an answer, and what is no answer is an OSError."""

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener


@dataclass(frozen=True)
class Answer:
    """Status, headers with names in lower case, and text."""

    status: int
    headers: Mapping[str, str]
    text: str


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer like any other: the headers, a token among them, are for the host that was asked."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        return None


_following = build_opener()
_straight = build_opener(_NoRedirect)


def request(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float, *, follow: bool = True
) -> Answer:
    """Sends a request, and follows redirects or not. Raises TimeoutError where the time is over, and another OSError where the connection breaks."""
    if timeout <= 0:
        raise TimeoutError("no time is left for the request")
    asked = Request(url, data=body, method=method, headers=dict(headers))
    if body is not None:
        asked.add_header("content-type", "application/json")
    try:
        with (_following if follow else _straight).open(asked, timeout=timeout) as answer:
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
