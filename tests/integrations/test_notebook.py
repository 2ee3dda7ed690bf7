"""Jupyter for real: the notebook among the examples, run cell by cell in a kernel."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

from solvestream.server import simulated_text
from tests.integrations.hosting import EXAMPLES, PICTURE, environment

RUN = """
import json, sys
import nbclient, nbformat

notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
print(json.dumps([[one.get("data", one).get("text/plain", "") for one in cell] for cell in outputs]))
"""

ELSEWHERE = """
import asyncio, threading
errors = []

def other():
    try:
        asyncio.run(client.solve(ImageToText(images[0])))
    except Exception as error:
        errors.append(type(error).__name__)

thread = threading.Thread(target=other)
thread.start()
thread.join()
errors
"""


def run(service, path, directory):
    """Run a notebook in a directory; return what each of its cells shows."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN, path],
        cwd=directory,
        env=environment(service) | {"JUPYTER_PLATFORM_DIRS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_cell_runs_and_shows_what_it_says(service, tmp_path):
    """Top-level `await`, a client that lives from cell to cell, and a clean end."""
    (tmp_path / "receipts").mkdir()
    texts = {}
    for number in range(5):
        data = PICTURE + b"%d" % number
        (tmp_path / "receipts" / f"{number}.png").write_bytes(data)
        texts[f"{number}.png"] = simulated_text(data)
    opened, one, many, statistics, closed = run(service, EXAMPLES / "notebook.ipynb", tmp_path)
    assert opened == ["<Client open capsolver 0 in flight>"]
    assert one == [repr(texts["0.png"])]
    assert ast.literal_eval(many[0]) == texts
    assert "solved=6" in statistics[0].replace("\n", "")
    assert closed == ["()"]


def test_another_thread_of_the_kernel_is_told_where_the_client_belongs(service, tmp_path):
    """A cell that starts a loop of its own in a thread gets `WrongLoop`."""
    (tmp_path / "receipts").mkdir()
    (tmp_path / "receipts" / "0.png").write_bytes(PICTURE)
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    cells[2]["source"] = ELSEWHERE
    (tmp_path / "elsewhere.ipynb").write_text(json.dumps(notebook))
    shown = run(service, tmp_path / "elsewhere.ipynb", tmp_path)
    assert shown[2] == ["['WrongLoop']"]
