"""Accessibility as an engine sees it: axe-core on a page, WCAG 2.2 A and AA."""

from pathlib import Path
from typing import Any

from playwright.async_api import Page

ENGINE = Path(__file__).resolve().parents[2] / "callcenter" / "console" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
GRAVE = frozenset({"serious", "critical"})


async def grave_findings(page: Page) -> list[str]:
    """Serious and critical findings: rule, what to do, and where."""
    # Evaluated by the debugger, so that the page's content security policy stays as it is.
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(ENGINE.read_text(encoding="utf-8") + ";undefined")
    asked = "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})"
    found: dict[str, Any] = await page.evaluate(asked, TAGS)
    return [
        f"{one['id']}: {one['help']} at {[node['target'] for node in one['nodes']][:5]}"
        for one in found["violations"]
        if one["impact"] in GRAVE
    ]
