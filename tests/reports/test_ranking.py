"""Central sentences are found, as the walk over the whole graph would, and not twice."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.reports.ranking import centrality, choose, cosine, vectors

DOCUMENTS = [
    ["stairs", "wide"],
    ["stairs", "windows", "budget"],
    ["windows", "budget", "north"],
    ["weather"],
    [],
    ["stairs", "wide", "budget"],
]


def _by_the_book(found: list[dict[str, float]]) -> list[float]:
    """LexRank with its graph built: every cosine, rows made to add up to 1, the eigenvector by `numpy.linalg`."""
    count = len(found)
    weights = np.array([[cosine(a, b) if a is not b else 0.0 for b in found] for a in found])
    degree = weights.sum(axis=1)
    steps = np.array([weights[row] / degree[row] if degree[row] else np.full(count, 1 / count) for row in range(count)])
    google = 0.15 / count + 0.85 * steps
    values, columns = np.linalg.eig(google.T)
    place = np.real(columns[:, int(np.argmax(np.real(values)))])
    return list(place / place.sum())


def test_it_is_lexrank() -> None:
    found = vectors(DOCUMENTS)
    scores = centrality(found)
    assert scores == pytest.approx(_by_the_book(found), abs=1e-4)
    assert scores.sum() == pytest.approx(1)
    assert int(np.argmax(scores)) in (1, 5)


def test_nothing_and_what_has_nothing_in_common() -> None:
    assert centrality([]).size == 0
    assert choose([], centrality([]), 3) == []
    alone = centrality(vectors([["a"], ["b"], []]))
    assert alone == pytest.approx([1 / 3] * 3)


def test_vectors_have_length_one_and_rare_words_weigh_more() -> None:
    found = vectors(DOCUMENTS)
    assert all(cosine(vector, vector) == pytest.approx(1) for vector in found if vector)
    assert found[2]["north"] > found[2]["budget"]


def test_the_same_is_not_chosen_twice() -> None:
    documents = [["stairs", "wide", "library"], ["stairs", "wide", "library"], ["windows", "library", "budget"]]
    found = vectors([*documents, ["stairs", "library"]])
    chosen = choose(found, centrality(found), 2)
    assert len(chosen) == 2 and not {0, 1} <= set(chosen)


def test_what_counts_for_nothing_is_never_chosen() -> None:
    found = vectors(DOCUMENTS)
    assert choose(found, np.array([0, 0, 0.2, 0, 0, 0.1]), 5) == [2, 5]
