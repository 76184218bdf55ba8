"""Serves visitors of Fulcrum optimizations: by the published policy without a request, or by the API."""

from ._client import Client, Served
from ._policy import Context, Decision, Variant, compile_policy

__all__ = ["Client", "Context", "Decision", "Served", "Variant", "compile_policy"]
