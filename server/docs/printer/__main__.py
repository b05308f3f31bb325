"""Print the pages that are made from tables, or check that they are up to date.

Run `.venv/bin/python server/docs/printer` to write them into `server/docs`, and what
settings mean into their package, and `.venv/bin/python server/docs/printer --check` to
compare only.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from custom_mappings_page import custom_mappings_page
from mapping_page import mapping_page
from metrics_page import metrics_page
from reasons_page import reasons_page
from settings_page import meanings, settings_page

FOLDER = Path(__file__).resolve().parents[1]
SETTINGS = FOLDER.parent / "src" / "tokferry_server" / "settings"
"""The package that knows what its keys mean only from here, for editors."""
PAGES = {
    "custom-mappings.md": custom_mappings_page,
    "mapping.md": mapping_page,
    "metrics.md": metrics_page,
    "reasons.md": reasons_page,
    "settings.md": settings_page,
}
NOTE = "<!-- Printed by server/docs/printer: run make generate, do not edit. -->\n"


def main() -> None:
    """Write the pages, or name those that differ from what would be written."""
    parser = argparse.ArgumentParser(prog="server/docs/printer", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    stale = []
    for path, text in _files(options.target):
        if options.check:
            kept = path.read_text(encoding="utf-8") if path.is_file() else None
            if kept != text:
                stale.append(f"out of date: {path.name}")
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        hint = "The pages do not match the tables. Run: make generate"
        sys.exit("\n".join([*stale, hint]))


def _files(target: Path | None) -> Iterator[tuple[Path, str]]:
    """Give what is printed and where to; ``target`` is one folder for all of it."""
    for name, page in PAGES.items():
        yield (target or FOLDER) / name, f"{NOTE}\n{page().rstrip()}\n"
    text = json.dumps(meanings(), indent=2, ensure_ascii=False)
    yield (target or SETTINGS) / "meanings.json", f"{text}\n"


if __name__ == "__main__":
    main()
