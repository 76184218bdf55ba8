"""The API for those who make, train and check models, and who send events. The shapes are those of `models`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlencode

from . import models
from ._http import Answer, request

_T = TypeVar("_T")


class ApiError(Exception):
    """What the service answered instead of a success: `code` is stable, `details` name the places of a wrong request."""

    def __init__(self, answer: Answer):
        error, meta = _told(answer)
        self.status = answer.status
        self.code: str = error.get("code", "")
        self.message: str = error.get("message", answer.text)
        self.details: list[models.Detail] = error.get("details", [])
        self.request_id: str | None = meta.get("request_id")
        after = answer.headers.get("retry-after", "")
        self.retry_after: int | None = int(after) if after.isdecimal() else None
        super().__init__(f"{answer.status} {self.code}: {self.message}")


def _told(answer: Answer) -> tuple[dict[str, Any], dict[str, Any]]:
    """The error and the meta of an answer; nothing of either where it has no envelope, as the gateway's own have none."""
    try:
        body: Any = json.loads(answer.text)
    except ValueError:
        return {}, {}
    return _fields(_fields(body).get("error")), _fields(_fields(body).get("meta"))


def _fields(value: object) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


class ManagementClient:
    """Every call raises ApiError for an answer that is an error, and OSError where there is none. Times are seconds.

    It follows no redirect, so that the token goes to the service alone, and tries nothing twice.
    """

    def __init__(self, url: str, token: str, timeout: float = 35.0):
        self._base = f"{url.rstrip('/')}/api/v2"
        self._token = token
        self.timeout = timeout

    def list_models(
        self, *, include_archived: bool = False, limit: int | None = None, cursor: str | None = None
    ) -> models.ListModelsAnswer:
        """A page of the models, newest change first; `meta.next_cursor` is there when more follow."""
        query = {"include_archived": _flag(include_archived), "limit": limit, "cursor": cursor}
        return self._call(models.ListModelsAnswer, "GET", "/models", query=query)

    def create_model(self, body: models.NewModel) -> models.CreateModelAnswer:
        """A new model, with a new optimization where none is named."""
        return self._call(models.CreateModelAnswer, "POST", "/models", body)

    def get_model(self, model: str) -> models.GetModelAnswer:
        """One model, with its in-sample metrics."""
        return self._call(models.GetModelAnswer, "GET", f"/models/{_part(model)}")

    def delete_model(self, model: str) -> models.DeleteModelAnswer:
        """Archives a model: it is trained and served no more."""
        return self._call(models.DeleteModelAnswer, "DELETE", f"/models/{_part(model)}")

    def train_model(
        self, model: str, bias: Mapping[str, float] | None = None
    ) -> models.TrainModelAnswer | models.TrainModelAnswer202:
        """Trains on the latest complete snapshot; the `status` is `training` where the run waits in the queue."""
        body = {"bias": dict(bias or {})}
        answer: models.TrainModelAnswer | models.TrainModelAnswer202
        answer = self._call(models.TrainModelAnswer, "POST", f"/models/{_part(model)}/train", body)
        return answer

    def enqueue_training(self, model: str, bias: Mapping[str, float] | None = None) -> models.TrainModelAnswer202:
        """Has a model trained behind the queue, and does not wait for it."""
        headers = {"prefer": "respond-async"}
        return self._call(models.TrainModelAnswer202, "POST", f"/models/{_part(model)}/train", {"bias": dict(bias or {})}, headers=headers)

    def model_state(self, model: str) -> models.ModelStateAnswer:
        """What a model believes."""
        return self._call(models.ModelStateAnswer, "GET", f"/models/{_part(model)}/state")

    def list_posteriors(self, model: str) -> models.ListPosteriorsAnswer:
        """The versions of its posterior, newest first."""
        return self._call(models.ListPosteriorsAnswer, "GET", f"/models/{_part(model)}/posteriors")

    def rollback_model(self, model: str, posterior_version: int) -> models.RollbackModelAnswer:
        """Puts an earlier version in force again."""
        return self._call(models.RollbackModelAnswer, "POST", f"/models/{_part(model)}/rollback", {"posterior_version": posterior_version})

    def list_optimizations(
        self,
        *,
        order_by: str | None = None,
        include_archived: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> models.ListOptimizationsAnswer:
        """A page of the optimizations, newest first by `updated_at` or `created_at`."""
        query = {"order_by": order_by, "include_archived": _flag(include_archived), "limit": limit, "cursor": cursor}
        return self._call(models.ListOptimizationsAnswer, "GET", "/optimizations", query=query)

    def create_optimization(self, body: models.NewOptimization) -> models.CreateOptimizationAnswer:
        """A new optimization with its model."""
        return self._call(models.CreateOptimizationAnswer, "POST", "/optimizations", body)

    def get_optimization(self, optimization: str) -> models.GetOptimizationAnswer:
        """One optimization, with what its model learns from."""
        return self._call(models.GetOptimizationAnswer, "GET", f"/optimizations/{_part(optimization)}")

    def update_optimization(self, optimization: str, change: models.PatchOptimization) -> models.UpdateOptimizationAnswer:
        """Changes the name or the status."""
        return self._call(models.UpdateOptimizationAnswer, "PATCH", f"/optimizations/{_part(optimization)}", change)

    def results(
        self, optimization: str, *, first: str | None = None, last: str | None = None
    ) -> models.OptimizationResultsAnswer:
        """What happened from one day to another, both included: dates such as 2026-01-31, UTC."""
        return self._call(models.OptimizationResultsAnswer, "GET", f"/optimizations/{_part(optimization)}/results", query={"from": first, "to": last})

    def evaluate(self, optimization: str, policies: models.EvaluatePolicies) -> models.EvaluatePolicyAnswer:
        """What other policies would have earned on the exposures that the latest training run read."""
        return self._call(models.EvaluatePolicyAnswer, "POST", f"/optimizations/{_part(optimization)}/evaluate", policies)

    def ingest_exposures(self, events: Sequence[models.Exposure]) -> models.IngestExposuresAnswer:
        """Sends 1 to 500 exposures. They are durable when this returns, but for those in `rejected`."""
        return self._call(models.IngestExposuresAnswer, "POST", "/ingest/exposures", {"events": list(events)})

    def ingest_rewards(self, events: Sequence[models.Reward]) -> models.IngestRewardsAnswer:
        """Sends 1 to 500 rewards. They are durable when this returns, but for those in `rejected`."""
        return self._call(models.IngestRewardsAnswer, "POST", "/ingest/rewards", {"events": list(events)})

    def flush_events(self) -> models.FlushEventsAnswer:
        """Has the events compacted and published at once."""
        return self._call(models.FlushEventsAnswer, "POST", "/ingest/flush")

    def delete_user_events(self, anonymous_id: str) -> models.DeleteUserEventsAnswer:
        """Has a user's events removed, within a day."""
        return self._call(models.DeleteUserEventsAnswer, "DELETE", f"/ingest/users/{_part(anonymous_id)}")

    def _call(
        self,
        shape: type[_T],
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str | int | None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> _T:
        """The answer, of which `shape` is for the type checker alone."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        url = f"{self._base}{path}{'?' if given else ''}{urlencode(given)}"
        sent = None if body is None else json.dumps(body, allow_nan=False).encode()
        all_headers = {"authorization": f"Bearer {self._token}", **(headers or {})}
        answer = request(method, url, all_headers, sent, self.timeout, follow=False)
        if not 200 <= answer.status < 300:
            raise ApiError(answer)
        return cast(_T, json.loads(answer.text))


def _part(text: str) -> str:
    """A text as one part of a path. `.` and `..` would be taken out of it."""
    if text in (".", ".."):
        return text.replace(".", "%2E")
    return quote(text, safe="")


def _flag(value: bool) -> str | None:
    return "true" if value else None
