"""Print the pages that are made from tables, or check that they are up to date.

Run `.venv/bin/python server/docs/printer` to write them into `server/docs`, and
`.venv/bin/python server/docs/printer --check` to compare only.
"""

import argparse
import sys
from pathlib import Path

from custom_mappings_page import custom_mappings_page
from mapping_page import mapping_page
from reasons_page import reasons_page
from settings_page import settings_page

FOLDER = Path(__file__).resolve().parents[1]
PAGES = {
    "custom-mappings.md": custom_mappings_page,
    "mapping.md": mapping_page,
    "reasons.md": reasons_page,
    "settings.md": settings_page,
}
NOTE = "<!-- Printed by server/docs/printer: run make generate, do not edit. -->\n"


def main() -> None:
    """Write the pages, or name those that differ from what would be written."""
    parser = argparse.ArgumentParser(prog="server/docs/printer", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--target", type=Path, default=FOLDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    stale = []
    for name, page in PAGES.items():
        path, text = options.target / name, f"{NOTE}\n{page().rstrip()}\n"
        if options.check:
            kept = path.read_text(encoding="utf-8") if path.is_file() else None
            if kept != text:
                stale.append(f"out of date: {name}")
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        hint = "The pages do not match the tables. Run: make generate"
        sys.exit("\n".join([*stale, hint]))


if __name__ == "__main__":
    main()
