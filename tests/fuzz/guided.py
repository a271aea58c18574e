"""`python -m tests.fuzz.guided --runs 300000 --seed 7`: frames that coverage leads, by Atheris.

Of each version one process feeds the gate, the intake, the session and all behind it; an input is
up to `FRAMES_MAX` frames, one a line, because much of the code is reached by a second frame only.
It begins with a valid message of every action. What it finds is kept below build/fuzz; without
Atheris (there is no wheel for this Python) it says so and ends well.
"""

import argparse
import asyncio
import importlib.util
import json
import logging
import subprocess
import sys
import time
from pathlib import Path

FOUND = Path("build/fuzz")
FRAMES_MAX = 8
INPUT_BYTES_MAX = 4096
RSS_MIB_MAX = 2048
VERSIONS = ("1.6", "2.0.1", "2.1")


def main() -> int:
    """Every version in turn; 0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument("--runs", type=int, default=300_000, help="of all versions together")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--version", choices=VERSIONS, help="this one only, in this process")
    asked = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print(f"No guided frames: Atheris has no wheel for Python {sys.version.split()[0]} here")
        return 0
    if asked.version:
        _guide(asked.version, asked.seed, asked.runs)
    again = [sys.executable, "-m", "tests.fuzz.guided", "--seed", str(asked.seed)]
    again += ["--runs", str(asked.runs // len(VERSIONS))]
    return max(subprocess.run([*again, "--version", version]).returncode for version in VERSIONS)


def _guide(version: str, seed: int, runs: int) -> None:
    """Never returns: libFuzzer ends the process, with 0 when nothing was found."""
    import atheris

    with atheris.instrument_imports(include=["sitecontroller.ocpp", "sitecontroller.services"]):
        from sitecontroller.domain.station import OcppVersion
        from sitecontroller.ocpp import frames
        from tests.fuzz.frames import Frames
        from tests.fuzz.target import Escaped, target

    logging.basicConfig(level=logging.WARNING, handlers=[logging.NullHandler()], force=True)
    escaped, supply = Escaped(), Frames(OcppVersion(version), seed)
    logging.getLogger().addHandler(escaped)
    loop = asyncio.new_event_loop()
    site = target(OcppVersion(version), supply)
    fed = loop.run_until_complete(site.__aenter__())

    def take(data: bytes) -> None:
        loop.run_until_complete(fed.feed(data.split(b"\n")[:FRAMES_MAX]))
        found = [*escaped.taken(), *fed.escaped]
        assert not found, "\n".join(found)

    corpus = FOUND / version / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    names = sorted(frames.actions(OcppVersion(version)))
    for name in names:
        (corpus / f"seed-{name}").write_bytes(supply.call(name)[:INPUT_BYTES_MAX])
    words = FOUND / version / "words"
    words.write_text("".join(f"{json.dumps(word)}\n" for word in names))
    settings = {
        "runs": runs,
        "seed": seed % 2**32,
        "max_len": INPUT_BYTES_MAX,
        "rss_limit_mb": RSS_MIB_MAX,
        "dict": words,
        "artifact_prefix": f"{FOUND / version}/",
        "verbosity": 0,
        "print_final_stats": 1,
    }
    options = [f"-{name}={value}" for name, value in settings.items()]
    atheris.Setup(["guided", *options, str(corpus)], take)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
