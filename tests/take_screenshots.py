"""Take a picture of every page, as `make screenshots`: wide in light, narrow in dark, one in French."""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "simulators"), str(ROOT / "tests" / "server")]

from page_tour import TOUR, browsing, enter, visit  # noqa: E402
from platform_history import live  # noqa: E402

from conftest import running  # noqa: E402
from licet.ledger.papers import PAPERS  # noqa: E402
from licet.store.house import open_house  # noqa: E402

TALLEST = 2200
"""Pixels of a picture's height; what is below is cut off."""
COLORS = 160
FOLDER = ROOT / "docs" / "screenshots"
FORMS = (
    ("wide", {"color_scheme": "light", "viewport": {"width": 1120, "height": 760}}),
    ("narrow", {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}}),
)
FRENCH = ("french", {"locale": "fr-FR", "viewport": {"width": 760, "height": 760}})


def main() -> None:
    """Let a platform live for a year, and picture its pages."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        platform = live(open_house(Path(folder) / "home"), Path(folder) / "data")
        with running(platform, page_rate=1000.0, page_burst=1000, papers=PAPERS) as site:  # type: ignore[arg-type]
            for stop in TOUR:
                forms = (*FORMS, FRENCH) if stop.name == "member-choice" else FORMS
                for name, options in forms:
                    context = enter(browser, site, platform, stop, **options)
                    page = context.new_page()
                    visit(page, site, stop)
                    taken = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
                    small = taken.crop((0, 0, taken.width, min(taken.height, TALLEST))).quantize(COLORS)
                    small.save(FOLDER / f"{stop.name}-{name}.png", optimize=True)
                    context.close()
                print(stop.name)  # noqa: T201 # whoever waits sees how far it is


if __name__ == "__main__":
    main()
