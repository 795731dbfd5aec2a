"""The API's own description, for programs that are built against it."""

import json
import sys

from callcenter.cli import app


@app.command()
def openapi() -> None:
    """Print the OpenAPI 3.1 document of the API; needs no database and no settings."""
    from importlib.metadata import version

    from callcenter.web.groups import GROUPS
    from callcenter.web.openapi import document

    routes = [route for group in GROUPS for route in group.routes]
    json.dump(document(routes, version("callcenter")), sys.stdout, ensure_ascii=False)
