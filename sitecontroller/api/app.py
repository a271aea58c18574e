"""The API put together: gate, routes, live feed, errors and its description."""

from collections.abc import Iterable
from copy import copy
from functools import cache
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import State

from sitecontroller.api import (
    docs,
    live,
    routes_commands,
    routes_files,
    routes_records,
    routes_site,
    routes_table,
    routes_tariffs,
)
from sitecontroller.api.auth import LOOPBACK_HOSTS, Gate
from sitecontroller.api.live import LiveFeed
from sitecontroller.api.problems import MEDIA_TYPE, add_problem_handlers
from sitecontroller.api.schemas import Problem
from sitecontroller.api.seam import SiteController
from sitecontroller.api.words import describe
from sitecontroller.clock import SystemClock
from sitecontroller.ports import Clock

_DESCRIPTION = """\
The local API of one site controller. Send `Authorization: Bearer …` with the line in the file
`api-token` of its state directory. Times are RFC 3339 in UTC, unknown is null, and errors are
problem documents (RFC 9457).

The WebSocket `/v1/live` (same header) sends frames `{"seq", "at", "type"}`: first a `snapshot`,
then `changes` (whole new objects by entity and id; null: gone) and `event`.
"""
_PROBLEM_RESPONSE: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Any error",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}

# Left alone, FastAPI hands its requests to whatever OpenTelemetry finds in the environment.
_NO_TELEMETRY: Any = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


class ApiApp(FastAPI):
    """FastAPI whose description names our token and our errors."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document; made once a process."""
        return _document()

    def prepare(self) -> None:
        """Build now what FastAPI would build during the first requests: 30 ms of the loop."""
        self.openapi()
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()


def build_api(
    controller: SiteController,
    token: str,
    *,
    clock: Clock | None = None,
    hosts: Iterable[str] = LOOPBACK_HOSTS,
) -> ApiApp:
    """The ASGI application. `hosts` are the host names, without ports, it answers under."""
    app = copy(routes())
    app.state = State()
    app.user_middleware = []
    app.state.controller = controller
    app.state.live = LiveFeed(controller, clock or SystemClock())
    app.add_middleware(Gate, token=token, hosts=frozenset(hosts))
    return app


@cache
def routes() -> ApiApp:
    """All but the controller behind it and the gate before it; once made, it serves every API of
    the process."""
    app = ApiApp(
        title="Site controller",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        responses=_PROBLEM_RESPONSE,
        generate_unique_id_function=lambda route: route.name,
    )
    for part in (
        routes_site,
        routes_records,
        routes_tariffs,
        routes_commands,
        routes_files,
        routes_table,
        live,
        docs,
    ):
        app.include_router(part.router)
    add_problem_handlers(app)
    return app


@cache
def _document() -> dict[str, Any]:
    document = FastAPI.openapi(routes())
    components = document.setdefault("components", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = components["schemas"] | problem.pop("$defs", {}) | {"Problem": problem}
    components["schemas"] = dict(sorted(schemas.items()))
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    document["paths"]["/v1/health"]["get"]["security"] = []
    describe(document)
    return document
