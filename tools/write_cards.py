"""Write model.json, README.md, details.md and training.md of model folders anew, from their model.json.

    python tools/write_cards.py models/*

No figure changes; run it after the text of the pages has changed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from emotion_cam.card import read_card, write_card
from emotion_cam.training import model_readme


def main() -> None:
    if len(sys.argv) == 1:
        sys.exit(__doc__)
    for folder in map(Path, sys.argv[1:]):
        card = read_card(folder)
        write_card(folder, card)
        model_readme.write(folder, card)


if __name__ == "__main__":
    main()
