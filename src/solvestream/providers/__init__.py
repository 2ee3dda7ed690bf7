"""Protocol modules: a task in, a request out; a reply in, outcomes out. Nothing here waits."""
