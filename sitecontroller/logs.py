"""Logging: `time level subject: sentence key=value` on stderr, and a bounded ring of files."""

import json
import logging
import logging.handlers
from datetime import UTC, datetime
from pathlib import Path

FILES_MAX = 10
FILE_BYTES_MAX = 10 * 1024 * 1024
_QUIET = ("websockets", "pymodbus", "uvicorn", "httpx", "httpcore", "alembic", "asyncio", "fpdf")


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure(*, as_json: bool = False, log_dir: Path | None = None, level: str = "INFO") -> None:
    """Send the log to stderr and, with `log_dir`, to a ring of 10 files of 10 MiB."""
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    formatter = _JsonFormatter() if as_json else text
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log_dir is not None:
        log_dir.mkdir(parents=True, exist_ok=True)
        handlers.append(
            logging.handlers.RotatingFileHandler(
                log_dir / "controller.log",
                maxBytes=FILE_BYTES_MAX,
                backupCount=FILES_MAX - 1,
                encoding="utf-8",
            )
        )
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
