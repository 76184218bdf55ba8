"""A client of Fulcrum.

`Client` serves visitors, by the published policy without a request where it can, and `Events` sends what they see and do.
`ManagementClient` makes, trains and checks models; the types of `models` are generated from the description of the API.
"""

from . import models
from ._client import Client, Served
from ._events import Event, Events
from ._management import ApiError, ManagementClient
from ._policy import Context, Decision, Variant, compile_policy

__all__ = [
    "ApiError",
    "Client",
    "Context",
    "Decision",
    "Event",
    "Events",
    "ManagementClient",
    "Served",
    "Variant",
    "compile_policy",
    "models",
]
