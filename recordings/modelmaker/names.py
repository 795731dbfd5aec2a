"""Names of places and units a citizen may say, from the gazetteers and unit lists of `config/`.

The door of PyYAML in this tool. The files are checked where the product loads them (`config.prefill_loader`); here
only the names are read, so that no region is named in code and a new region is heard after the next `make model`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDERS = ("gazetteer", "units")
_HANZI = re.compile("[\u4e00-\u9fff]+")


class NoNames(Exception):
    """No gazetteer names a town; start the model maker in the project's folder, or name `config` by --config."""


def read_names(config: Path) -> dict[str, tuple[str, ...]]:
    """Slot -> names, of all files in `config`/gazetteer and `config`/units.

    Slots: county, town, place (a village or spot, alone and after its town), road, estate, spot, unit.
    Raises NoNames.
    """
    found: dict[str, list[str]] = {}
    for folder in FOLDERS:
        for path in sorted((config / folder).glob("*.yaml")):
            for slot, name in _names(yaml.safe_load(path.read_text(encoding="utf-8"))):
                found.setdefault(slot, []).append(name)
    if "town" not in found:
        raise NoNames(f"no gazetteer with a town in {config / FOLDERS[0]}")
    return {slot: tuple(dict.fromkeys(names)) for slot, names in found.items()}


def _names(file: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "county" in file:
        yield from _each("county", [file["county"], *file.get("aliases", [])])
    for town in file.get("towns", []):
        yield from _each("town", _called(town))
        for place in town.get("places", []):
            yield from _each("place", _called(place))
            yield from _each("place", [town["name"] + name for name in _called(place)[:1]])
    for slot, key in (("road", "roads"), ("estate", "estates"), ("spot", "spots")):
        yield from _each(slot, file.get(key, []))
    for unit in file.get("units", []):
        yield from _each("unit", _called(unit))


def _called(item: Mapping[str, Any]) -> list[str]:
    return [item["name"], *item.get("aliases", [])]


def _each(slot: str, names: list[str]) -> Iterator[tuple[str, str]]:
    # What is not written in hanzi only (digits, 〇) has no reading here.
    return ((slot, name) for name in names if _HANZI.fullmatch(name))
