"""Which tests carry which clause, read off their sources with `ast`; nothing is imported and nothing is run.

A marker counts on a test function, on its class, as a module's `pytestmark`, and on a case: in `marks=` of a
`pytest.param` that stands in the decorator, or in a module-level table the decorator names. A test that is always
skipped or expected to fail proves nothing and does not count.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MARK = "clause"
NO_PROOF = frozenset({"skip", "xfail"})
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Proof:
    """One test says that it proves a clause. node: as pytest names it, without its cases."""

    clause: str
    node: str


@dataclass
class Proofs:
    """What was found. wrong: markers that cannot be read or that hang on nothing, one sentence each."""

    found: list[Proof] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    files: int = 0


def read_tests(folder: Path, root: Path | None = None) -> Proofs:
    """Every marker in the folder's `test_*.py`, and markers that stand elsewhere as wrong. root: nodes start there."""
    proofs = Proofs()
    for path in sorted(folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        name = path.relative_to(root or folder.parent).as_posix()
        is_test = path.name.startswith("test_")
        proofs.files += is_test
        if f".{MARK}" not in source and f"import {MARK}" not in source:
            continue
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            proofs.wrong.append(f"{name}:{error.lineno}: not Python; mend it")
            continue
        _File(name, tree, proofs, is_test).read()
    return proofs


class _File:
    """One file: first its module-level tables, then its tests; what is left over hangs on nothing."""

    def __init__(self, name: str, tree: ast.Module, proofs: Proofs, is_test: bool) -> None:
        self.name, self.tree, self.proofs, self.is_test = name, tree, proofs, is_test
        self.used: set[int] = set()
        self.aliases = {MARK} if _imports_alias(tree) else set()
        self.tables: dict[str, ast.expr] = {}

    def read(self) -> None:
        for node in self.tree.body:
            target, value = _assigned(node)
            if value is not None and target:
                self.tables[target] = value
                if _is_mark(value, self.aliases):
                    self.aliases.add(target)
        if self.is_test:
            everywhere = self._ids(self.tables.get("pytestmark"))
            self._body(self.tree.body, "", everywhere, skipped=_skips(self.tables.get("pytestmark")))
        for each in ast.walk(self.tree):
            if self._is_call(each) and id(each) not in self.used:
                self._wrong(each, "hangs on no test; put it on a test function, its class, or a case it names")

    def _body(self, body: list[ast.stmt], prefix: str, outer: list[str], *, skipped: bool) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                own = outer + [one for each in node.decorator_list for one in self._ids(each)]
                dead = skipped or any(_skips(each) for each in node.decorator_list)
                self._body(node.body, f"{prefix}::{node.name}", own, skipped=dead)
            elif isinstance(node, Function) and node.name.startswith("test"):
                self._test(node, prefix, outer, skipped=skipped)

    def _test(self, node: Function, prefix: str, outer: list[str], *, skipped: bool) -> None:
        ids = outer + [one for each in node.decorator_list for one in self._with_tables(each)]
        if skipped or any(_skips(each) for each in node.decorator_list):
            return
        self.proofs.found += [Proof(one, f"{self.name}{prefix}::{node.name}") for one in dict.fromkeys(ids)]

    def _with_tables(self, decorator: ast.expr, depth: int = 2) -> Iterator[str]:
        yield from self._ids(decorator)
        for node in ast.walk(decorator):
            named = self.tables.get(node.id) if isinstance(node, ast.Name) and node.id not in self.aliases else None
            if named is not None and depth:
                yield from self._with_tables(named, depth - 1)

    def _ids(self, part: ast.expr | None) -> list[str]:
        """Clause ids of every marker inside; a marker that is not a call with literal strings is wrong."""
        ids: list[str] = []
        for node in ast.walk(part) if part is not None else ():
            if not self._is_call(node) or not isinstance(node, ast.Call):
                continue
            given = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            if id(node) not in self.used and (not given or len(given) != len(node.args) or node.keywords):
                self._wrong(node, 'write its ids as literal strings: @pytest.mark.clause("XX-000")')
            self.used.add(id(node))
            ids += given
        return ids

    def _is_call(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and _is_mark(node.func, self.aliases)

    def _wrong(self, node: ast.AST, what: str) -> None:
        self.proofs.wrong.append(f"{self.name}:{getattr(node, 'lineno', 0)}: the clause marker {what}")


def _is_mark(node: ast.expr, aliases: set[str]) -> bool:
    """`pytest.mark.clause`, `mark.clause`, or a name given to one of them."""
    if isinstance(node, ast.Name):
        return node.id in aliases
    if not isinstance(node, ast.Attribute) or node.attr != MARK:
        return False
    return getattr(node.value, "attr", getattr(node.value, "id", "")) == "mark"


def _imports_alias(tree: ast.Module) -> bool:
    imports = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    return any(node.module == "pytest.mark" and any(one.name == MARK for one in node.names) for node in imports)


def _assigned(node: ast.stmt) -> tuple[str, ast.expr | None]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id, node.value
    return "", None


def _skips(part: ast.expr | None) -> bool:
    """Whether a decorator, or a mark in `pytestmark`, takes the test out for good; `skipif` does not."""
    marks = part.elts if isinstance(part, ast.List | ast.Tuple) else [part] if part is not None else []
    for one in marks:
        bare = one.func if isinstance(one, ast.Call) else one
        if isinstance(bare, ast.Attribute) and bare.attr in NO_PROOF:
            return True
    return False
