"""Shared by every loader: reading a YAML data file and saying all that is wrong with it at once."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import yaml
from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing to mend: in which file (relative to config/), at which key, and what to write there."""

    file: str
    key: str
    what_to_write: str

    def __str__(self) -> str:
        place = f"config/{self.file}"
        return f"{place}: {self.key}: {self.what_to_write}" if self.key else f"{place}: {self.what_to_write}"


class ConfigWrong(Exception):
    """Data files are wrong; mend every line below, then run `callcenter check-config`."""

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def data_root() -> Traversable:
    """The folder of data files, in a checkout as well as in an installed wheel."""
    return files("config")


def read_yaml(file: Traversable, name: str) -> object:
    """What the YAML says, as plain values. `name` is the path below config/, for the problems.

    Raises ConfigWrong when it is missing, not UTF-8, not YAML, or has a key twice.
    """
    try:
        content = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigWrong([ConfigProblem(name, "", "no such file; write it")]) from None
    except UnicodeDecodeError:
        raise ConfigWrong([ConfigProblem(name, "", "save the file as UTF-8")]) from None
    return read_text(content, name)


def read_text(content: str, name: str) -> object:
    """What a YAML text says, as plain values; `name` stands in the problems. Raises ConfigWrong."""
    try:
        return yaml.load(content, Loader=_OnceLoader)  # noqa: S506 a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "not YAML"
        raise ConfigWrong([ConfigProblem(name, line, f"{what}; mend the YAML")]) from None


_WHAT_TO_WRITE = {"extra_forbidden": "no such key; take it out", "missing": "is missing; add it"}


def from_validation(name: str, error: ValidationError) -> tuple[ConfigProblem, ...]:
    """Every complaint of a pydantic model as a problem of the file `name`."""
    return tuple(
        ConfigProblem(
            name,
            ".".join(str(part) for part in item["loc"]),
            _WHAT_TO_WRITE.get(item["type"], item["msg"].removeprefix("Value error, ")),
        )
        for item in error.errors()
    )


class _OnceLoader(yaml.SafeLoader):
    """Safe YAML in which a key may stand only once; plain YAML lets the last one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
