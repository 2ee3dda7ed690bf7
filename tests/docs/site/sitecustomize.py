"""On the path of every process a page starts: accounts without an address are at the local service.

So a page shows the code that a user writes, and its run costs nothing and waits for nothing.
"""

from __future__ import annotations

import os

from solvestream import CapSolver, CaptchaAI, Pacing, Solvora

URL = os.environ["DOCS_SERVICE"]
QUICK = Pacing(first_look=0.05, interval=0.05)

for account in (CaptchaAI, CapSolver, Solvora):
    defaults = account.__init__.__kwdefaults__
    defaults["pacing"] = QUICK
    if "base_url" in defaults:
        defaults["base_url"] = URL
