from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from solvestream import InvalidTask, Result, TaskFailed, Text, Ticket, UsageError
from solvestream.cli.extras import CannotRun
from solvestream.cli.output import Printed, open_output
from solvestream.cli.rows import COLUMNS, row

pq = pytest.importorskip("pyarrow.parquet")

SUFFIXES = [".jsonl", ".csv", ".parquet"]
ODD = 'a "quoted", odd\nline of ünï \x00'


def solved(key: str, text: str = "x", **more) -> dict:
    """Return the row of an answer."""
    ticket = Ticket(account="a", task_id="1", job_key=key, kind="image", submitted_at=1.0)
    return row(Result(ok=True, solution=Text(text), ticket=ticket, **more))


def failed(key: str, charged: str) -> dict:
    """Return the row of a failure."""
    return row(Result(ok=False, error=TaskFailed("no", charged=charged, job_key=key)))


def read(path: Path) -> list[dict]:
    """Return the rows of a file, of any kind."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with path.open(newline="") as file:
        return list(csv.DictReader(file)) if path.suffix == ".csv" else list(map(json.loads, file))


def keys(path: Path) -> list[str]:
    """Return the keys of a file's rows."""
    return [one["key"] for one in read(path)]


@pytest.fixture(params=SUFFIXES)
def path(request, tmp_path):
    """A file of each kind, that is not there yet."""
    return tmp_path / f"out{request.param}"


def write(path: Path, *rows) -> set[str]:
    """Write rows in a run of their own; return what was finished before."""
    output = open_output(path)
    for one in rows:
        output.write(one)
    output.close()
    return output.finished


def test_rows_come_back(path):
    """Odd texts as they were, and all columns."""
    write(path, solved("k1", ODD, tag={"line": 3, "tag": ODD}), failed("k2", "yes"))
    one, other = read(path)
    assert one["text"] == one["tag"] == ODD
    assert str(one["line"]) == "3"
    assert str(one["ok"]).lower() == "true"
    assert str(other["ok"]).lower() == "false"
    if path.suffix != ".jsonl":
        assert list(one) == list(COLUMNS)
        assert other["error"] == "TaskFailed"
    else:
        assert other["error"]["type"] == "TaskFailed"


@pytest.mark.parametrize("text", [ODD, "a\rb", "a\r\nb", 'a"\r'])
def test_a_later_run_goes_on(path, text):
    """It keeps what is there, and knows what is finished, whatever line ends an answer has."""
    assert write(path, solved("k1", text), solved("k2")) == set()
    assert write(path, solved("k3")) == {"k1", "k2"}
    assert keys(path) == ["k1", "k2", "k3"]
    assert read(path)[0]["text"] == text


def test_what_failed_and_cost_nothing_is_tried_again(path):
    """Its row makes room for that of the next run; what may have cost something stays."""
    write(path, failed("free", "no"), failed("paid", "yes"), failed("doubt", "maybe"), solved("k"))
    assert write(path, solved("free")) == {"paid", "doubt", "k"}
    assert keys(path) == ["paid", "doubt", "k", "free"]


def test_a_row_that_comes_again_is_not_written_again(path):
    """As when a run was killed between the row and its note in the journal."""
    write(path, solved("k1"))
    write(path, solved("k1"), solved("k2"))
    assert keys(path) == ["k1", "k2"]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_row_cut_off_by_a_crash_is_as_if_it_was_not(suffix, cut, tmp_path):
    """Its task is not finished, and the file is whole again."""
    path = tmp_path / f"out{suffix}"
    write(path, solved("k1", ODD), solved("k2"))
    path.write_bytes(path.read_bytes()[:-cut])
    assert write(path, solved("k2")) == {"k1"}
    assert keys(path) == ["k1", "k2"]


def test_parquet_survives_a_crash_as_lines(tmp_path):
    """They lie beside the file until it is written, and the next run goes on with them."""
    path = tmp_path / "out.parquet"
    write(path, solved("k1"))
    output = open_output(path)
    output.write(solved("k2", ODD))
    output._file.close()  # killed
    assert (tmp_path / "out.parquet.jsonl").exists()
    assert keys(path) == ["k1"]
    assert write(path, solved("k3")) == {"k1", "k2"}
    assert keys(path) == ["k1", "k2", "k3"]
    assert [one.name for one in tmp_path.iterdir()] == ["out.parquet"]


def test_parquet_is_typed(tmp_path):
    """Numbers are numbers; a text that is no Unicode is shown as far as it is."""
    path = tmp_path / "out.parquet"
    write(path, solved("k1", tag={"line": 3, "path": "odd\udcff.png"}, elapsed=1.5))
    (one,) = read(path)
    assert (one["line"], one["elapsed"], one["ok"], one["cost"]) == (3, 1.5, True, None)
    assert one["path"] == "odd?.png"


def test_an_empty_run_is_a_whole_file(path):
    """With the names of its columns, where there are any."""
    write(path)
    assert read(path) == []
    assert path.exists()
    assert write(path) == set()


@pytest.mark.parametrize("content", ["notes\nof mine\n", '{"my": 1}\n', "[]\n", "3\n", "PAR1"])
def test_a_file_of_another_kind_is_left_as_it_is(path, content):
    """The message names it; nothing is bought then."""
    path.write_text(content)
    with pytest.raises(UsageError, match=f"{path.name}.*left as it is"):
        open_output(path)
    assert path.read_text() == content
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_runs_do_not_write_to_one_file(path):
    """The second is told, and changes nothing; when the first has ended, the file is free."""
    first = open_output(path)
    first.write(solved("k1"))
    with pytest.raises(CannotRun, match="another process is writing to it"):
        open_output(path)
    first.write(solved("k2"))
    first.close()
    assert write(path) == {"k1", "k2"}
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_where_no_file_can_be_is_told(tmp_path):
    """A directory that is not there, in one line."""
    for suffix in SUFFIXES:
        with pytest.raises(CannotRun, match="No such file"):
            open_output(tmp_path / "gone" / f"out{suffix}")


def test_an_unknown_suffix_is_told():
    """With those that are known."""
    with pytest.raises(UsageError, match=r"out\.xlsx.*\.jsonl, \.csv or \.parquet"):
        open_output(Path("out.xlsx"))


def test_rows_are_there_as_soon_as_they_are_written(tmp_path):
    """Not in a buffer of this process."""
    for suffix in (".jsonl", ".csv"):
        output = open_output(tmp_path / f"out{suffix}")
        output.write(solved("k1"))
        assert "k1" in (tmp_path / f"out{suffix}").read_text()
        output.close()


def test_standard_output_is_the_default(capsys):
    """A line of JSON each, and it stays open."""
    output = open_output(None)
    assert isinstance(output, Printed)
    output.write(solved("k1"))
    output.close()
    assert json.loads(capsys.readouterr().out)["key"] == "k1"
    assert not sys.stdout.closed


def test_a_bad_line_is_tried_again(path):
    """It was never finished, and has no key."""
    write(path, row(Result(ok=False, error=InvalidTask("line 3: no"), tag={"line": 3})))
    assert len(read(path)) == 1
    assert write(path) == set()
    assert read(path) == []
