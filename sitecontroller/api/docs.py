"""Swagger UI at /docs, wholly from the installed package: sites have no internet."""

import asyncio
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response
from swagger_ui_bundle import swagger_ui_path

SCRIPT = "swagger-ui-bundle.js"
STYLE = "swagger-ui.css"
ICON = "favicon-32x32.png"
START = "start.js"

_ASSETS = {SCRIPT: "text/javascript", STYLE: "text/css", ICON: "image/png"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Site controller API</title>
<link rel="icon" href="/docs/{ICON}">
<link rel="stylesheet" href="/docs/{STYLE}">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/{SCRIPT}"></script>
<script src="/docs/{START}"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false,
  validatorUrl: null
});
"""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def page() -> Response:
    """The page; its own policy forbids it to load anything from elsewhere."""
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    return Response(_PAGE, media_type="text/html", headers=headers)


@router.get("/docs/{name}")
async def asset(name: str) -> Response:
    """One file of the page."""
    if name == START:
        return Response(_START, media_type="text/javascript")
    if name not in _ASSETS:
        raise HTTPException(404)
    path = Path(swagger_ui_path) / name
    loop = asyncio.get_running_loop()
    content = await loop.run_in_executor(None, path.read_bytes)
    return Response(content, media_type=_ASSETS[name], headers={"Cache-Control": "max-age=86400"})
