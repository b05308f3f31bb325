"""Writes the digests anew."""

import json

from corpus.outcomes import BATCHES, FEW, FOLDER, digests


def main() -> None:
    """Write those of a few batches, and those of all."""
    written = {str(count): digests(count) for count in (FEW, BATCHES)}
    text = json.dumps(written, indent=1) + "\n"
    (FOLDER / "digests.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
