from __future__ import annotations

import os
import sys

import pytest

from solvestream.cli import claim
from solvestream.cli.claim import claimed
from solvestream.cli.extras import CannotRun

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks there")


def test_one_has_it_at_a_time(tmp_path):
    """The other is told whose file it is; afterwards it is free."""
    path = tmp_path / "out.csv"
    with claimed(path):
        assert path.exists()
        with pytest.raises(CannotRun, match=r"out\.csv: another process"), claimed(path):
            pass
    with claimed(path):
        pass


@pytest.mark.parametrize("gone", [False, True])
def test_a_file_that_was_replaced_meanwhile_is_tried_again(tmp_path, monkeypatch, gone):
    """A lock on what nobody finds by the name any more is worth nothing."""
    path, taken, real = tmp_path / "out.csv", [], claim.lock

    def lock(handle):
        real(handle)
        taken.append(os.fstat(handle).st_ino)
        if len(taken) == 1:
            path.rename(tmp_path / "old.csv")
            if not gone:
                path.touch()

    monkeypatch.setattr(claim, "lock", lock)
    with claimed(path):
        assert taken[-1] == path.stat().st_ino
    assert len(taken) == 2
