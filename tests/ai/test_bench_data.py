"""The list of recordings and pictures is one that can be fetched."""

import re

from appliance.ai.bench_data import BENCH_DATA, TEXTS, TWO_CITIES
from appliance.ai.measures import words


def test_roles_are_unique_and_sources_pinned() -> None:
    assert len({source.role for source in BENCH_DATA}) == len(BENCH_DATA)
    for source in BENCH_DATA:
        assert re.fullmatch(r"(pypi:[a-z-]+==|npm:@?[a-z/-]+@)[0-9.]+![\w./]+", source.source), source.source
        assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)


def test_answers_are_of_recordings_that_are_there() -> None:
    assert set(TEXTS) <= {source.role for source in BENCH_DATA}
    assert len(words(TWO_CITIES)) == 119
