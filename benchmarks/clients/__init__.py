"""The clients of the end-to-end races: one small module each, and who brings them together.

A client's module runs in a process, and where it needs one in a virtual environment, of its own
(`run.py`). It imports its library and this package's `task`, and defines

    async def solve_all(url, key, count, **options) -> list[str | BaseException]

which has task 0 to count - 1 solved at once and returns their answers in order; an exception
stands for a task that was lost. `contest.py` is the other side: it starts the service and the
clients, and reads the ledger.
"""
