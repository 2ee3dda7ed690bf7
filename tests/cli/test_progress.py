from __future__ import annotations

from solvestream.cli.progress import Meter


def test_a_pipe_gets_ten_lines(capsys):
    """A line for each tenth, on standard error."""
    with Meter({"a": 30, "b": 70}, live=False) as meter:
        for number in range(100):
            meter.count("a" if number < 30 else "b", ok=number != 50)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[0] == "10/100 done, 0 failed"
    assert told.err.splitlines()[-1] == "100/100 done, 1 failed"
    assert len(told.err.splitlines()) == 10
    assert (meter.done, meter.failed) == (100, 1)


def test_an_odd_number_ends_with_its_last(capsys):
    """The last line is the whole."""
    with Meter({"a": 3}, live=False) as meter:
        for _ in range(3):
            meter.count("a", ok=True)
    assert capsys.readouterr().err.splitlines()[-1] == "3/3 done, 0 failed"


def test_a_terminal_gets_bars(capsys):
    """They go to standard error too, and leave standard output alone."""
    with Meter({"alpha": 2}, live=True) as meter:
        meter.count("alpha", ok=False)
        print("a result")
    told = capsys.readouterr()
    assert told.out == "a result\n"
    assert "alpha" in told.err
    assert "1 failed" in told.err
