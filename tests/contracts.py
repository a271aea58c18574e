"""An import contract that names what a package may see instead of all it may not.

import-linter's own `forbidden` contract needs every forbidden module to exist and leaves a module
that is added later allowed; the rules of docs/architecture.md are of the form "sees only". Direct
imports are judged: what a permitted package imports in its turn is that package's affair.
"""

import sys
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

STANDARD_LIBRARY = "standard library"


class SeesOnly(Contract):
    """`modules` import each other, `ours` of our own packages, and `others` of everybody else's.

    Without `others` every foreign package is permitted. `never` names foreign packages that stay
    forbidden all the same. A module that doesn't exist (yet) breaks nothing.
    """

    type_name = "sees_only"

    modules = fields.ListField(subfield=fields.StringField())
    ours = fields.ListField(subfield=fields.StringField(), required=False, default=[])
    others = fields.ListField(subfield=fields.StringField(), required=False)
    never = fields.ListField(subfield=fields.StringField(), required=False, default=[])

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        broken = sorted(
            (importer, imported, _lines(graph, importer, imported))
            for importer in graph.modules
            if _within(importer, self.modules)
            for imported in graph.find_modules_directly_imported_by(importer)
            if not self._permits(imported)
        )
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported, lines in check.metadata["broken"]:
            output.print_error(f"- {importer} may not import {imported} (l.{lines})", bold=False)
        output.new_line()

    def _permits(self, imported: str) -> bool:
        if _within(imported, self.modules):
            return True
        root = imported.partition(".")[0]
        if root in self.session_options["root_packages"]:
            return _within(imported, self.ours)
        if root in self.never:
            return False
        if not self.others:
            return True
        return root in self.others or (
            STANDARD_LIBRARY in self.others and root in sys.stdlib_module_names
        )


def _within(module: str, packages: Any) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _lines(graph: ImportGraph, importer: str, imported: str) -> str:
    details = graph.get_import_details(importer=importer, imported=imported)
    return ", ".join(str(detail["line_number"]) for detail in details)
