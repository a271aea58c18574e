"""The house rules that no linter knows, checked over every Python file of the product.

Each rule is a function of one parsed source file that yields its breaches; `test_rules_find` shows
each of them on a small wrong example.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

EMPTY_NAMES = re.compile(r"(Manager|Helper|Utils?|Impl|Data)$")
LOSSY_COLUMNS = {
    *("DateTime", "Numeric", "Float", "Double", "DATETIME", "NUMERIC", "FLOAT", "DOUBLE"),
    *("DECIMAL", "REAL", "TIMESTAMP"),
}
MARKS = re.compile(r"\b(TODO|FIXME|XXX)\b")
HEX_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})(?![0-9a-zA-Z])")

# Put together here so that this file doesn't name them itself.
REGISTRY_HOSTS = ["pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js.org"]
BUILD_PATHS = ["/" + "work/", "/" + "root/"]
MACHINE_NAMES = re.compile(
    "|".join(
        [re.escape(host) for host in REGISTRY_HOSTS]
        + [rf"(?<![\w.~}}]){re.escape(path)}" for path in BUILD_PATHS]
    )
)


@dataclass(frozen=True)
class Source:
    """One Python file: its path below the project, text and syntax tree."""

    path: PurePosixPath
    text: str

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def package(self) -> str:
        return self.path.parts[0]

    @cached_property
    def docstrings(self) -> list[ast.Constant]:
        """The nodes that are documentation, not values."""
        owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        return [
            node.body[0].value
            for node in self.nodes
            if isinstance(node, owners)
            and node.body
            and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)
            and isinstance(node.body[0].value.value, str)
        ]


Rule = Callable[[Source], Iterator[str]]
RULES: dict[str, tuple[Rule, tuple[str, ...]]] = {}
PRODUCT = ("sitecontroller", "cloudsync", "ui")


def rule(*packages: str) -> Callable[[Rule], Rule]:
    """Register a rule for the files of these top-level packages."""

    def register(check: Rule) -> Rule:
        RULES[check.__name__] = (check, packages)
        return check

    return register


@rule(*PRODUCT)
def a_module_says_what_it_is_for(source: Source) -> Iterator[str]:
    if source.tree.body and not (ast.get_docstring(source.tree) or "").strip():
        yield "1: no module docstring"


@rule(*PRODUCT)
def a_file_is_at_most_500_lines(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{lines}: {lines} lines, at most {FILE_LINES_MAX}"


@rule(*PRODUCT)
def a_function_is_at_most_70_lines(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


@rule(*PRODUCT)
def nothing_is_left_to_do(source: Source) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and (mark := MARKS.search(token.string)):
            yield f"{token.start[0]}: {mark[0]}"
    for node in source.docstrings:
        if mark := MARKS.search(str(node.value)):
            yield f"{node.lineno}: {mark[0]}"


@rule(*PRODUCT)
def a_class_is_named_by_a_noun_of_the_trade(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.ClassDef) and (ending := EMPTY_NAMES.search(node.name)):
            yield f"{node.lineno}: class {node.name} ends in -{ending[0]}"


@rule(*PRODUCT)
def no_column_loses_digits_or_time_zones(source: Source) -> Iterator[str]:
    """Storage has types of its own: integer µs UTC, integer minor units, integer mWh."""
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            names = {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[0] in {
            *("sa", "sqlalchemy", "types", "sqltypes", "sqlite", "postgresql"),
        }:
            names = {node.attr}
        else:
            continue
        for name in sorted(names & LOSSY_COLUMNS):
            yield f"{node.lineno}: sqlalchemy {name}"


@rule(*PRODUCT)
def only_the_command_line_prints(source: Source) -> Iterator[str]:
    if "cli" in {PurePosixPath(part).stem for part in source.path.parts}:
        return
    for node in source.nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield f"{node.lineno}: print()"


@rule("ui")
def no_dialog_blocks_the_loop(source: Source) -> Iterator[str]:
    """A nested Qt loop stops qasync's tasks in unexpected places."""
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr in {"exec", "exec_", "processEvents"}:
            yield f"{node.lineno}: .{node.attr}"


@rule("ui")
def colours_come_from_the_theme(source: Source) -> Iterator[str]:
    if len(source.path.parts) > 1 and source.path.parts[1].startswith("theme"):
        return
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            colour = HEX_COLOUR.search(node.value)
            if colour and node not in source.docstrings:
                yield f"{node.lineno}: {colour[0]}"


@rule("tests")
def a_test_waits_for_conditions_not_for_time(source: Source) -> Iterator[str]:
    for node in source.nodes:
        calls_it = isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"
        imports_it = (
            isinstance(node, ast.ImportFrom)
            and node.module == "time"
            and "sleep" in {alias.name for alias in node.names}
        )
        if calls_it or imports_it:
            yield f"{getattr(node, 'lineno', 0)}: time.sleep; use tests.support.eventually"


@rule(*PRODUCT, "tests")
def nothing_needs_the_briefing_folder(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else []
        else:
            continue
        if "shared" in {name.partition(".")[0] for name in names}:
            yield f"{node.lineno}: imports shared"


def project_files() -> list[Path]:
    """What is, or would be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in sorted(set(listed.split("\0"))) if (ROOT / name).is_file()]


def sources() -> Iterator[Source]:
    for file in project_files():
        path = PurePosixPath(file.relative_to(ROOT).as_posix())
        if path.suffix == ".py" and path.parts[0] in (*PRODUCT, "tests"):
            yield Source(path, file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def every_source() -> list[Source]:
    return list(sources())


@pytest.mark.parametrize("name", RULES)
def test_every_file_keeps_the_rule(name: str, every_source: list[Source]) -> None:
    check, packages = RULES[name]
    breaches = [
        f"{source.path}:{breach}"
        for source in every_source
        if source.package in packages
        for breach in check(source)
    ]
    assert not breaches, "\n".join(["", *breaches])


def test_no_file_names_a_registry_or_a_build_machine() -> None:
    breaches = []
    for file in project_files():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or a font
        for number, line in enumerate(text.splitlines(), 1):
            if found := MACHINE_NAMES.search(line):
                breaches.append(f"{file.relative_to(ROOT)}:{number}: {found[0]}")
    assert not breaches, "\n".join(["", *breaches])


WRONG = [
    (a_module_says_what_it_is_for, "ui/a.py", "import os\n"),
    (a_file_is_at_most_500_lines, "ui/a.py", "\n" * 501),
    (a_function_is_at_most_70_lines, "ui/a.py", "def f():\n" + "    pass\n" * 70),
    (nothing_is_left_to_do, "ui/a.py", "x = 1  # " + "TODO\n"),
    (nothing_is_left_to_do, "ui/a.py", '"""' + 'FIXME"""\n'),
    (a_class_is_named_by_a_noun_of_the_trade, "ui/a.py", "class ChargerManager: ...\n"),
    (no_column_loses_digits_or_time_zones, "a/a.py", "from sqlalchemy import Column, Float\n"),
    (no_column_loses_digits_or_time_zones, "a/a.py", "x = sa.DateTime()\n"),
    (no_column_loses_digits_or_time_zones, "a/a.py", "x = sqlalchemy.types.Numeric(1)\n"),
    (only_the_command_line_prints, "ui/a.py", "print(1)\n"),
    (no_dialog_blocks_the_loop, "ui/a.py", "dialog.exec()\n"),
    (no_dialog_blocks_the_loop, "ui/a.py", "app.processEvents()\n"),
    (colours_come_from_the_theme, "ui/a.py", "x = 'color: #1a2B3c;'\n"),
    (a_test_waits_for_conditions_not_for_time, "tests/a.py", "time.sleep(1)\n"),
    (a_test_waits_for_conditions_not_for_time, "tests/a.py", "from time import sleep\n"),
    (nothing_needs_the_briefing_folder, "tests/a.py", "from shared.ocpp import x\n"),
]
RIGHT = [
    (a_module_says_what_it_is_for, "ui/__init__.py", ""),
    (no_column_loses_digits_or_time_zones, "a/a.py", "from sqlalchemy import Integer\n"),
    (no_column_loses_digits_or_time_zones, "a/a.py", "from time import Float\n"),
    (only_the_command_line_prints, "sitecontroller/cli.py", "print(1)\n"),
    (colours_come_from_the_theme, "ui/theme.py", "x = '#1a2b3c'\n"),
    (colours_come_from_the_theme, "ui/a.py", "x = 'charger #12 of #charging'\n"),
]


@pytest.mark.parametrize(("check", "path", "text"), WRONG)
def test_rules_find(check: Rule, path: str, text: str) -> None:
    assert list(check(Source(PurePosixPath(path), text)))


@pytest.mark.parametrize(("check", "path", "text"), RIGHT)
def test_rules_let_pass(check: Rule, path: str, text: str) -> None:
    assert not list(check(Source(PurePosixPath(path), text)))


@pytest.mark.parametrize("line", [f"see {BUILD_PATHS[0]}a", f"https://{REGISTRY_HOSTS[0]}/simple"])
def test_machine_names_are_found(line: str) -> None:
    assert MACHINE_NAMES.search(line)
