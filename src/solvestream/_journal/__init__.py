"""The journal: what was about to be bought, what was bought, its answer, and who has it.

`journal.Journal` is written by one process at a time, `store.read_journal` may look on
meanwhile, `values.Entry` is what both give. Nothing here waits on an event loop; nothing here
knows accounts, keys or tasks' fields. SQLite is loaded with `journal` and `store` only.
"""
