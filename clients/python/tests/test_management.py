"""The client against the real service on this machine."""

from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from service import KEY, MODEL, OPTIMIZATION, running

from fulcrum_client import ApiError, Client, ManagementClient, models

CONFIG: models.TrainingDataConfigInput = {
    "design_factors": [{"name": "headline", "dtype": "str", "levels": ["A", {"id": "b", "value": "B"}]}],
    "reward": {"name": "signup", "type": "bool"},
    "attribution": {"type": "last_touch", "conversion_window_hours": 24, "immature": "include"},
}
UNKNOWN = "ffffffff-0000-4000-8000-00000000000a"


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    with running() as url:
        yield url


@pytest.fixture
def client(url: str) -> ManagementClient:
    return ManagementClient(url, KEY)


def test_a_model_is_made_trained_looked_into_rolled_back_and_deleted(client: ManagementClient) -> None:
    before = client.get_model(MODEL)["posterior_version"]
    trained = client.train_model(MODEL, {"headline": 0.5})
    assert trained["status"] == "trained"
    assert trained["posterior_version"] > before
    state = client.model_state(MODEL)
    assert state["posterior_version"] == trained["posterior_version"] and len(state["variants"]) == 2
    versions = [posterior["posterior_version"] for posterior in client.list_posteriors(MODEL)["posteriors"]]
    assert versions == sorted(versions, reverse=True) and versions[0] == trained["posterior_version"]
    assert client.rollback_model(MODEL, before)["posterior_version"] == before
    made = client.create_model({"model_type": "mab", "training_data_config": CONFIG})
    assert made["status"] == "untrained"
    deleted = client.delete_model(made["id"])
    assert (deleted["id"], deleted["status"]) == (made["id"], "archived")


def test_pages_of_models_follow_each_other(client: ManagementClient) -> None:
    every = [model["id"] for model in client.list_models(include_archived=True)["models"]]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = client.list_models(include_archived=True, limit=2, cursor=cursor)
        seen += [model["id"] for model in page["models"]]
        cursor = page["meta"].get("next_cursor")
        if cursor is None:
            break
    assert sorted(seen) == sorted(every) and len(seen) > 2


def test_an_optimization_is_made_changed_and_served(client: ManagementClient, url: str) -> None:
    made = client.create_optimization({
        "name": "Landing page", "model_type": "mab", "training_data_config": CONFIG, "holdout_percentage": 10,
    })  # fmt: skip
    found = client.get_optimization(made["id"])
    assert found["holdout_percentage"] == 10
    config = found["training_data_config"]
    assert config is not None and config["reward"]["name"] == "signup"
    changed = client.update_optimization(made["id"], {"name": "Another name"})
    assert changed["name"] == "Another name"
    listed = client.list_optimizations(order_by="created_at", limit=1)["optimizations"]
    assert [one["id"] for one in listed] == [made["id"]]
    served = Client(url, made["id"]).serve("visitor-1", {}, {"headline": "A"})
    assert served.source == "policy", served.error


def test_results_say_what_happened_in_a_span_of_days(client: ManagementClient) -> None:
    client.train_model(MODEL)
    results = client.results(OPTIMIZATION)
    assert len(results["variants"]) == 2
    assert sum(variant["exposures"] for variant in results["variants"]) > 0
    with pytest.raises(ApiError) as raised:
        client.results(OPTIMIZATION, first="2026-02-30")
    assert raised.value.status == 400


def test_events_are_sent_flushed_and_removed(client: ManagementClient) -> None:
    seen: models.Exposure = {"anonymous_id": "v/1 ü", "optimization_id": OPTIMIZATION, "variant": {"headline": "A"}}
    future: models.Exposure = {**seen, "timestamp": "2200-01-01T00:00:00Z"}
    answer = client.ingest_exposures([seen, future])
    assert answer["accepted"] == 1
    assert [(one["index"], one["code"]) for one in answer["rejected"]] == [(1, "timestamp_in_the_future")]
    assert client.ingest_rewards([{"anonymous_id": "v/1 ü", "name": "signup"}])["accepted"] == 1
    assert client.flush_events()["status"] == "flushing"
    assert client.delete_user_events("v/1 ü")["status"] == "deleting"


def test_an_error_is_an_exception_with_its_code_and_details(client: ManagementClient, url: str) -> None:
    wrong: models.TrainingDataConfigInput = {**CONFIG, "attribution": {"type": "last_touch", "conversion_window_hours": 0}}
    with pytest.raises(ApiError) as raised:
        client.create_model({"model_type": "mab", "training_data_config": wrong})
    error = raised.value
    assert (error.status, error.code) == (400, "invalid_request")
    assert error.details[0]["field"] == "training_data_config.attribution.conversion_window_hours"
    assert error.request_id is not None and error.request_id.startswith("req_")
    assert error.details[0]["message"] in str(error)
    with pytest.raises(ApiError) as raised:
        client.get_model(UNKNOWN)
    assert (raised.value.status, raised.value.code, raised.value.details) == (404, "not_found", [])
    with pytest.raises(ApiError) as raised:
        ManagementClient(url, "flk_nobody").list_models()
    assert (raised.value.status, raised.value.code) == (401, "unauthorized")
    for part in ["a/b", "..", "?", "#"]:
        with pytest.raises(ApiError) as raised:
            client.get_model(part)
        assert raised.value.status in (400, 404), part


def test_what_has_no_envelope_is_an_error_too_and_no_redirect_gets_the_token() -> None:
    asked: list[str] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path.endswith("/models"):
                self.send_response(307)
                self.send_header("location", "/elsewhere")
            else:
                self.send_response(503)
                self.send_header("retry-after", "2")
            self.end_headers()
            self.wfile.write(b'{"message": "Service Unavailable"}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Gateway) as gateway:
        Thread(target=gateway.serve_forever, daemon=True).start()
        client = ManagementClient(f"http://127.0.0.1:{gateway.server_port}", KEY)
        with pytest.raises(ApiError) as raised:
            client.list_models()
        assert raised.value.status == 307 and asked == ["/api/v2/models"]
        with pytest.raises(ApiError) as raised:
            client.list_optimizations()
        assert (raised.value.status, raised.value.code, raised.value.retry_after) == (503, "", 2)
        assert "Service Unavailable" in str(raised.value)
        gateway.shutdown()
    with pytest.raises(OSError):
        client.list_models()


def test_training_is_queued_last(client: ManagementClient) -> None:
    """Beside the examples nothing takes requests from the queue, so that the model is in training from here on."""
    assert client.enqueue_training(MODEL)["status"] == "training"
