"""Requests by the thousand from the OpenAPI document, against a real server.

``python tests/rag_app/server/fuzz.py [EXAMPLES]`` prints what schemathesis finds with that many
examples a route (500 by default), and fails for a server error or a response that differs from the
document.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from served import write_documents

# What the document can't say: which models, prompts, metadata keys and documents there are.
_BEYOND = "positive_data_acceptance"


def fuzz(examples: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Serve a few documents in ``folder`` and run schemathesis against them."""
    write_documents(folder / "docs")
    rag = [sys.executable, "-m", "rag_app"]
    index = str(folder / "index")
    environment = os.environ | {"XDG_DATA_HOME": str(folder / "data")}
    subprocess.run([*rag, "index", str(folder / "docs"), "--index", index, "--quiet"], check=True)
    serve = [*rag, "serve", str(folder / "docs"), "--index", index, "--port", "0", "--quiet"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout
        url = server.stdout.readline().strip()
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"),
            *("--phases", "coverage,fuzzing", "--max-examples", str(examples)),
            *("--exclude-checks", _BEYOND, "--workers", "1", "--no-color"),
        ]
        try:
            return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        finally:
            server.terminate()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        done = fuzz(int(sys.argv[1]) if sys.argv[1:] else 500, Path(made))
    sys.stdout.write(done.stdout)
    sys.exit(done.returncode)
