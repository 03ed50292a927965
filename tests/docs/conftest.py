"""Documents register algorithms of their own; none is known to a later test."""

from collections.abc import Iterator

import pytest

from mosaic.algorithms import algorithms_of, operations, unregister


@pytest.fixture(autouse=True)
def _algorithms_of_documents_are_forgotten() -> Iterator[None]:
    before = {name: algorithms_of(name) for name in operations()}
    yield
    for name in set(operations()):
        for each in algorithms_of(name).values():
            if before.get(name, {}).get(each.name) is not each:
                unregister(each)
