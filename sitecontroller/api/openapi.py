"""`python -m sitecontroller.api.openapi [FILE]` writes the API's description, docs/openapi.json."""

import json
import sys
from pathlib import Path

from sitecontroller.api.app import routes


def openapi_text() -> str:
    """The description as it is committed: indented, UTF-8, one line end at its end."""
    return json.dumps(routes().openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/openapi.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(openapi_text(), encoding="utf-8")
