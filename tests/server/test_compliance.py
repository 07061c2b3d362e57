"""Whatever goes wrong on a route of the compliance API is answered as X answers it, and tells nothing of the cause."""

import anyio
import httpx
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request

from licet.model.errors import InputError, IntegrityError, LicetError, NotFound, Refused, Unavailable, UsageError
from licet.server.compliance import ProblemRoute, one_of, read_object, require_known, whole
from licet.server.errors import too_many

router = APIRouter(route_class=ProblemRoute)
raised: list[Exception] = []


@router.get("/fail")
def fail() -> None:
    raise raised.pop()


@router.get("/number")
def number(request: Request) -> int:
    require_known(request, {"n", "word"})
    one_of(request, "word", {"a", "b"}, "a")
    return whole(request, "n", 1, 4, 2)


@router.post("/object")
async def say(request: Request) -> dict[str, object]:
    return await read_object(request, most=20)


@router.get("/typed/{n}")
def typed(n: int) -> int:
    return n


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")


async def asked(client: httpx.AsyncClient, path: str, **more: object) -> httpx.Response:
    async with client:
        return await client.request(more.pop("method", "GET"), path, **more)  # type: ignore[arg-type]


def ask(client: httpx.AsyncClient, path: str, **more: object) -> httpx.Response:
    return anyio.run(lambda: asked(client, path, **more))


@pytest.mark.parametrize(
    ("error", "status", "title", "detail"),
    [
        (NotFound("no job"), 404, "Not Found Error", "no job"),
        (UsageError("not so", "but so"), 400, "Invalid Request", "not so; but so"),
        (InputError("no number"), 400, "Invalid Request", "no number"),
        (Refused("not yours"), 403, "Forbidden", "not yours"),
        (Unavailable("not now", retry_after=7), 503, "Service Unavailable", "not now"),
        (too_many(3), 429, "Too Many Requests", "too many requests: try again in 3 s"),
        (IntegrityError("row x:3 is lost"), 500, "Internal Server Error", ""),
        (LicetError("row x:3 is lost"), 500, "Internal Server Error", ""),
        (HTTPException(415, "send JSON"), 415, "Unsupported Media Type", "send JSON"),
    ],
)
def test_an_error_is_a_problem(client, error, status, title, detail) -> None:
    raised.append(error)
    answer = ask(client, "/fail")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    assert (said["status"], said["title"], said["detail"]) == (status, title, detail)
    assert answer.headers.get("retry-after") == {503: "7", 429: "3"}.get(status)


def test_what_cannot_be_read_is_a_problem(client) -> None:
    assert ask(client, "/typed/x").json()["title"] == "Invalid Request"


@pytest.mark.parametrize(
    "query", ["n=0", "n=5", "n=", "n=1.0", "n=-1", "n=٣", "n=" + "1" * 30, "m=1", "n=1&n=1", "word=c"]
)
def test_a_parameter_that_is_not_meant_is_refused(client, query) -> None:
    assert ask(client, f"/number?{query}").status_code == 400


@pytest.mark.parametrize(("query", "value"), [("", 2), ("n=1", 1), ("n=04", 4), ("n=3&word=b", 3)])
def test_a_parameter_that_is_meant_is_read(client, query, value) -> None:
    assert ask(client, f"/number?{query}").json() == value


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'{"a": "aaaaaaaaaaaaaaaaaaaaaaa"}', b"\xff"])
def test_a_body_that_is_no_small_object_is_refused(client, body) -> None:
    assert ask(client, "/object", method="POST", content=body).status_code == 400


def test_a_body_that_is_a_small_object_is_read(client) -> None:
    assert ask(client, "/object", method="POST", content=b'{"a": 1}').json() == {"a": 1}
