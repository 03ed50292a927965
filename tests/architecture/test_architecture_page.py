"""docs/architecture.md names every folder, and shows the orders of flashlight and mosaic as the tests hold them."""

import re

import pytest

from tests.architecture.order import Order, shown
from tests.architecture.sources import PACKAGES, ROOT
from tests.architecture.test_flashlight import FLASHLIGHT
from tests.architecture.test_mosaic import MOSAIC


@pytest.mark.parametrize("order", [FLASHLIGHT, MOSAIC], ids=lambda order: order.package)
def test_the_page_shows_the_order_of_a_package(order: Order) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    (block,) = re.findall(rf"```text\n{order.package} ([^`]*)```", page)
    assert [[name.rstrip("/") for name in line.split()] for line in block.splitlines()] == shown(order)


def test_the_page_names_every_folder() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    folders = [path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")]
    assert len(folders) > 30
    assert not [folder.name for folder in folders if folder.name not in PACKAGES and f"{folder.name}/" not in page]


def test_the_page_names_the_modules_of_the_capture() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    names = [path.stem for path in (ROOT / "flashlight" / "capture").glob("*.py") if path.stem != "__init__"]
    assert not [name for name in names if f"`{name}`" not in page]
