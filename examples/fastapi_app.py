"""A web service that reads images: `uvicorn fastapi_app:app --timeout-graceful-shutdown 5`.

    curl --data-binary @receipt.png http://127.0.0.1:8000/read
    curl --data-binary @receipt.png http://127.0.0.1:8000/jobs
    curl -N "http://127.0.0.1:8000/jobs/events?id=..."

The key is in CAPSOLVER_API_KEY; SOLVESTREAM_URL is the service's address, if not its own.
"""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import Depends, FastAPI

from solvestream import CapSolver, Client, ImageToText, SolvestreamError
from solvestream.integrations.fastapi import (
    ClientDep,
    answer_error,
    image_of,
    lifespan,
    router,
)

URL = os.environ.get("SOLVESTREAM_URL", "https://api.capsolver.com")

app = FastAPI(lifespan=lifespan(lambda: Client(CapSolver.from_env(base_url=URL))))
app.add_exception_handler(SolvestreamError, answer_error)
# Whoever reaches these endpoints spends your money: add dependencies=[Depends(your_check)].
app.include_router(router(), prefix="/jobs", tags=["jobs"])


@app.post("/read")
async def read(task: Annotated[ImageToText, Depends(image_of)], client: ClientDep) -> str:
    """Answer with the text in an image; when the caller hangs up, what was paid goes on."""
    return (await client.solve(task)).solution.text
