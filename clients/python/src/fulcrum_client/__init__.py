"""Serves visitors of Fulcrum optimizations: by the published policy without a request, or by the API. Sends their events."""

from ._client import Client, Served
from ._events import Event, Events
from ._policy import Context, Decision, Variant, compile_policy

__all__ = ["Client", "Context", "Decision", "Event", "Events", "Served", "Variant", "compile_policy"]
