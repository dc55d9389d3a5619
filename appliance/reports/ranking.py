"""Which sentences stand for the others: LexRank, and a choice of them that does not say the same thing twice.

Owns the arithmetic. Continuous LexRank (Erkan & Radev 2004, "LexRank: Graph-based Lexical Centrality as Salience in
Text Summarization", §3.3; TextRank, Mihalcea & Tarau 2004, with cosines for weights): sentences are the nodes of a
graph, an edge weighs the cosine of their tf-idf vectors, and a random walk says how central each is. The choice is by
maximal marginal relevance (Carbonell & Goldstein 1998). Pure.

The graph is never built: with the vectors as rows of X its weights are X·Xᵀ without the diagonal, so a step of the walk
costs two passes over the words, and 50,000 sentences take under a second instead of 10 GB.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Of Brin & Page 1998, as both papers have it: the share of steps that follow an edge.
_DAMPING = 0.85
# The walk forgets its beginning by 0.85 a step: after 60 less than 1e-4 is left of it.
_STEPS = 60
# How much novelty counts beside centrality; 0.5 to 0.7 are usual.
_RELEVANCE = 0.7
# Sentences among which the choice is made, for each that is wanted: less central ones never win.
_CANDIDATES = 12

Vector = dict[str, float]


def vectors(documents: Sequence[Sequence[str]]) -> list[Vector]:
    """The tf-idf vector of each list of terms, of length 1; without terms an empty one."""
    seen_in = Counter(term for document in documents for term in set(document))
    count = len(documents)
    found = []
    for document in documents:
        weights = {
            term: often * math.log(1 + count / seen_in[term]) for term, often in Counter(document).items()
        }
        norm = math.sqrt(sum(weight * weight for weight in weights.values()))
        found.append({term: weight / norm for term, weight in weights.items()})
    return found


def cosine(one: Vector, other: Vector) -> float:
    """Of two vectors of length 1."""
    small, large = (one, other) if len(one) < len(other) else (other, one)
    return sum(weight * large.get(term, 0.0) for term, weight in small.items())


def centrality(found: Sequence[Vector]) -> NDArray[np.float64]:
    """The share of time that the walk spends at each; they add up to 1."""
    count = len(found)
    if count == 0:
        return np.zeros(0)
    numbers: dict[str, int] = {}
    rows, columns, values = [], [], []
    for row, vector in enumerate(found):
        for term, weight in vector.items():
            rows.append(row)
            columns.append(numbers.setdefault(term, len(numbers)))
            values.append(weight)
    row_of, column_of, weight_of = np.array(rows, np.int64), np.array(columns, np.int64), np.array(values)
    itself = np.array([1.0 if vector else 0.0 for vector in found])

    def spread(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """``amounts`` by the weights of the edges."""
        by_term = np.bincount(column_of, weight_of * amounts[row_of], len(numbers))
        received = np.bincount(row_of, weight_of * by_term[column_of], count)
        return np.maximum(received - itself * amounts, 0.0)  # below 0 by rounding only

    degree = spread(np.ones(count))
    linked = degree > 1e-9
    place = np.full(count, 1 / count)
    for _ in range(_STEPS):
        outgoing = np.divide(place, degree, out=np.zeros(count), where=linked)
        lost = place[~linked].sum()  # who has no edge goes anywhere
        place = (1 - _DAMPING + _DAMPING * lost) / count + _DAMPING * spread(outgoing)
    return place


def choose(found: Sequence[Vector], scores: NDArray[np.float64], wanted: int) -> list[int]:
    """At most ``wanted`` of them, most wanted first; ``scores`` of 0 are never chosen."""
    order = [int(at) for at in np.argsort(-scores, kind="stable")[: wanted * _CANDIDATES] if scores[at] > 0]
    if not order:
        return []
    highest = float(scores[order[0]])
    chosen: list[int] = []
    alike = dict.fromkeys(order, 0.0)
    while alike and len(chosen) < wanted:
        best = max(
            alike, key=lambda at: _RELEVANCE * float(scores[at]) / highest - (1 - _RELEVANCE) * alike[at]
        )
        del alike[best]
        chosen.append(best)
        for at in alike:
            alike[at] = max(alike[at], cosine(found[at], found[best]))
    return chosen
