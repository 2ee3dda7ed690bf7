"""FastAPI: one client for all requests of a worker, a job endpoint, server-sent events.

app = FastAPI(lifespan=lifespan(lambda: Client(CapSolver.from_env())))
app.include_router(router(), prefix="/jobs")
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Annotated, Any, Literal, TypedDict

import anyio
from attrs import asdict
from fastapi import (
    APIRouter,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Path,
    Query,
    Request,
    Response,
)
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from solvestream.client import Client
from solvestream.errors import (
    AccountError,
    BudgetExceeded,
    Busy,
    ClientClosed,
    DeadlineExceeded,
    InvalidTask,
    JournalError,
    ProtocolError,
    SolvestreamError,
    SubmitUnknown,
    TaskFailed,
    TaskLost,
    TransportError,
    UsageError,
)
from solvestream.integrations.jobs import Feed, Jobs
from solvestream.results import Result
from solvestream.stream import ResultStream
from solvestream.tasks import ImageToText, Task

MAX_IMAGE = 1_048_576
"""Bytes of an image that `image_of` takes at most."""


class State(TypedDict):
    """What `lifespan` yields: FastAPI puts it on every request's `state`."""

    solvestream: Client
    solvestream_jobs: Jobs


def lifespan(
    make: Callable[[], Client], *, limit: int = 10_000, keep: int = 10_000, resume: bool = False
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """Return a lifespan that opens a client when a worker starts and closes it when it ends.

    Within a lifespan of your own, enter it and yield its state beside yours.

    Args:
        make: builds the client, once in each worker process.
        limit: jobs of `router` under way at most, 1 or more; default 10,000.
        keep: ended jobs of `router` remembered at most; default 10,000.
        resume: take up the jobs of an earlier worker, under their ids: those that were under way
            when it ended, and the last `keep` that had ended. The client needs a journal that is
            for jobs alone. Default: no.
    """

    @asynccontextmanager
    async def live(_: FastAPI) -> AsyncGenerator[State]:
        async with make() as client, anyio.create_task_group() as group:
            jobs = Jobs(client, limit=limit, keep=keep, resume=resume)
            group.start_soon(jobs.run)
            yield {"solvestream": client, "solvestream_jobs": jobs}
            group.cancel_scope.cancel()

    return live


def client_of(connection: HTTPConnection) -> Client:
    """Return the worker's client; a dependency. Raises `UsageError` without `lifespan`."""
    client: Client = _state(connection, "solvestream")
    return client


def jobs_of(connection: HTTPConnection) -> Jobs:
    """Return the worker's jobs; a dependency. Raises `UsageError` without `lifespan`."""
    jobs: Jobs = _state(connection, "solvestream_jobs")
    return jobs


def _state(connection: HTTPConnection, name: str) -> Any:
    try:
        return getattr(connection.state, name)
    except AttributeError:
        raise UsageError(
            "the app has no client: build it with FastAPI(lifespan=lifespan(make)), and use a"
            " TestClient in a `with` block"
        ) from None


ClientDep = Annotated[Client, Depends(client_of)]
"""The worker's client, as a parameter of an endpoint: `client: ClientDep`."""
JobsDep = Annotated[Jobs, Depends(jobs_of)]
"""The worker's jobs, as a parameter of an endpoint: `jobs: JobsDep`."""


async def image_of(request: Request) -> ImageToText:
    """Return the body of a request, an image's bytes, as a task; 413 beyond `MAX_IMAGE`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_IMAGE:
            raise HTTPException(413, f"an image has {MAX_IMAGE} bytes at most")
    return ImageToText(bytes(body))


class Failure(BaseModel):
    """Why a job has no solution.

    Attributes:
        name: of the error's class, as `TaskFailed`.
        code: as the service sent it.
        charged: whether it cost money.
        fix: what to do about it, where the task itself is at fault.
    """

    name: str
    code: str | None
    charged: Literal["no", "yes", "maybe"]
    fix: str | None = None

    @classmethod
    def of(cls, error: SolvestreamError) -> Failure:
        """Describe an error; its message, which may name hosts and files, is left out."""
        fix = error.fix if isinstance(error, InvalidTask) else None
        return cls(name=type(error).__name__, code=error.code, charged=error.charged, fix=fix)


class JobState(BaseModel):
    """A job as others see it.

    Attributes:
        id: what to ask for it with.
        state: `pending`, and at last `solved` or `failed`.
        solution: the fields of the solution, once solved; for an image `text` and `confidence`.
        error: once failed.
        elapsed: seconds from hand-over to the end.
    """

    id: str
    state: Literal["pending", "solved", "failed"] = "pending"
    solution: dict[str, Any] | None = None
    error: Failure | None = None
    elapsed: float | None = None

    @classmethod
    def of(cls, name: str, result: Result[Any] | None) -> JobState:
        """Describe a job; without a result it is pending."""
        if result is None:
            return cls(id=name)
        if result.error is not None:
            why = Failure.of(result.error)
            return cls(id=name, state="failed", error=why, elapsed=result.elapsed)
        fields = asdict(result.solution)
        return cls(id=name, state="solved", solution=fields, elapsed=result.elapsed)


async def answer_error(_: Request, error: Exception) -> Response:
    """Answer for an endpoint that raised: `app.add_exception_handler(SolvestreamError, ...)`.

    422 for a task that cannot be sent, 503 when nothing can be bought now, 504 for one that was
    late, 502 for what else the service did; with the `Failure` as JSON. Raises anything else, as a
    library that is called wrongly is the server's own fault.
    """
    status = next((code for code, kinds in _STATUS.items() if isinstance(error, kinds)), None)
    if status is None or not isinstance(error, SolvestreamError):
        raise error
    return JSONResponse({"error": Failure.of(error).model_dump()}, status)


_STATUS: dict[int, tuple[type[SolvestreamError], ...]] = {
    422: (InvalidTask,),
    503: (Busy, BudgetExceeded, AccountError, ClientClosed, JournalError),
    504: (DeadlineExceeded,),
    502: (TaskFailed, TaskLost, SubmitUnknown, TransportError, ProtocolError),
}


class EventStream(Response):
    """Results as server-sent events, each a `JobState` with the task's tag as `id`; then `end`.

    The results are read only as fast as the browser takes them, so a slow one holds new submits
    back. When it leaves, what was not sent is dropped, and what was paid goes on.

    With `Client.stream`, let it answer a `POST`: a browser's `EventSource` that is cut off asks
    again by itself, which would buy everything again. With `Jobs.feed` a `GET` is fine. FastAPI's
    own `EventSourceResponse` reads ahead of the browser: what is lost on the way counts as read.

    Args:
        results: of `Client.stream` or `Jobs.feed`; give each task a `tag` that is unique.
        ping: seconds between comments while there is nothing to tell, which keep proxies from
            hanging up; default 15.
    """

    media_type = "text/event-stream"

    def __init__(self, results: ResultStream[Any] | Feed, *, ping: float = 15.0) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._results = results
        self._ping = ping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; ends when the results do or the browser leaves."""
        failure: Exception | None = None
        async with self._results, anyio.create_task_group() as group:
            group.start_soon(_until_gone, receive, group.cancel_scope)
            try:
                await self._tell(send)
            except Exception as error:  # noqa: BLE001 - raised below, out of the group
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _tell(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        while (event := await self._next()) is not None:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"event: end\ndata:\n\n"})

    async def _next(self) -> bytes | None:
        """Return the next event; a reader that is cancelled by the ping loses no result."""
        with anyio.move_on_after(self._ping):
            async for result in self._results:
                name = str(result.tag).encode(errors="backslashreplace").decode()
                state = JobState.of(name, result)
                name = state.id.translate(_LINE_ENDS)
                return f"id: {name}\ndata: {state.model_dump_json()}\n\n".encode()
            return None
        return b":\n\n"


_LINE_ENDS = dict.fromkeys(b"\r\n\0")


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def router(task: Callable[..., Any] = image_of) -> APIRouter:
    """Return a router of jobs, to be included with a prefix; it needs `lifespan`.

    What it takes costs you money, so add a check of your own: `include_router(dependencies=)`.

    * `POST` takes a task and answers 202 with its `JobState`, and where to ask for it. Sent again
      with the same `Idempotency-Key` (16 to 64 letters, digits, `-` and `_`, hard to guess: it is
      the id) it is not bought again. 422 for a task that cannot be sent, 503 with `Retry-After`
      when too many are under way.
    * `GET /{id}` answers with the `JobState`; 404 for one that is not known (any more).
    * `GET /events?id=...&id=...` answers with an `EventStream` of jobs in the order in which they
      end, from after `Last-Event-ID` on; 204, which tells a browser to stay away, when it had all.

    Jobs live in the worker process that took them: run one, or route by id. While jobs of an earlier
    one are being resumed, an id that is not known yet is answered with 503 and `Retry-After`.

    Args:
        task: a dependency that reads a task out of the request; default: `image_of`.
    """
    routes = APIRouter()
    body = _IMAGE_BODY if task is image_of else None
    routes.add_api_route(
        "", _submitter(task), methods=["POST"], status_code=202, openapi_extra=body
    )
    routes.add_api_route("/events", _events, response_class=Response, responses=_STREAM)
    routes.add_api_route("/{id}", _look)
    return routes


_KEY = "^[A-Za-z0-9_-]{16,64}$"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}},
    204: {"description": "Everything was told"},
}
_IMAGE_BODY = {"requestBody": {"required": True, "content": {"image/*": _BINARY}}}


@contextmanager
def _refusals() -> Generator[None]:
    try:
        yield
    except KeyError:
        raise HTTPException(404, "it is not known here, or not any more") from None
    except InvalidTask as error:
        raise HTTPException(422, str(error)) from None
    except (Busy, ClientClosed) as error:
        raise HTTPException(503, str(error), {"retry-after": "5"}) from None


def _submitter(read: Callable[..., Any]) -> Callable[..., Any]:
    async def submit(
        request: Request,
        response: Response,
        jobs: JobsDep,
        idempotency_key: Annotated[str | None, Header(pattern=_KEY)] = None,
        task: Task[Any] = Depends(read),  # noqa: B008 - known here only
    ) -> JobState:
        with _refusals():
            name = jobs.add(task, idempotency_key)
        response.headers["location"] = f"{request.url.path}/{name}"
        return JobState.of(name, jobs.result(name))

    return submit


async def _look(name: Annotated[str, Path(alias="id")], jobs: JobsDep) -> JobState:
    with _refusals():
        return JobState.of(name, jobs.result(name))


async def _events(
    jobs: JobsDep,
    names: Annotated[list[str], Query(alias="id", min_length=1, max_length=1_000)],
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    with _refusals():
        feed = jobs.feed(names, last_event_id)
    return Response(status_code=204) if feed.finished else EventStream(feed)
