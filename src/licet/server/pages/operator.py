"""stub"""

from fastapi import APIRouter, Request, Response
from licet.server.pages.forms import AtOperator, AtRecipient
from licet.server.pages.rendering import PageRoute, page

router = APIRouter(route_class=PageRoute)


@router.get("/operator")
def o(request: Request, session: AtOperator) -> Response:
    return page(request, "continue.html", session, {"following": "/"})


@router.get("/recipient")
def r(request: Request, session: AtRecipient) -> Response:
    return page(request, "continue.html", session, {"following": "/"})
