"""A local service with the examples of the repository in its stores: the command that FULCRUM_BINARY names."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# The API keys of the examples: one that may do everything in their organization, and one that may only read.
KEY = "flk_ZXhhbXBsZSBrZXksIGxvY2FsIHN0b3JlcyBvbmx5ISE"
# The example that is trained.
MODEL, OPTIMIZATION = "00000001-0000-4000-8000-00000000000a", "00000001-0000-4000-8000-00000000000b"


@contextmanager
def running() -> Generator[str]:
    """Starts the service on a free port, gives its URL, and ends it."""
    binary = os.environ.get("FULCRUM_BINARY")
    if not binary:
        raise RuntimeError("FULCRUM_BINARY has to name the command, such as ../../target/debug/fulcrum; cargo build makes it")
    command = [binary, "local", "--ephemeral", "--with-examples", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            file = None
            for line in service.stdout:
                if line.startswith("Environment"):
                    file = Path(line.split(maxsplit=1)[1].strip())
                if line.startswith("Ctrl-C"):
                    break
            assert file is not None, f"{binary} ended before it was up"
            lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
            yield dict(line.split("=", 1) for line in lines)["FULCRUM_URL"]
        finally:
            service.terminate()
