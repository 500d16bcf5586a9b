"""Sequences of different length: rows end to end, padding, and batches that hold little of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.inputs.sequences import Ragged, batch_width, bucket_batches, bucket_limits

ROWS = [np.array([5, 6, 7]), np.array([], int), np.array([8]), np.array([9, 10, 11, 12])]
lists_of_lengths = st.lists(st.integers(0, 40), min_size=1, max_size=80)


def test_rows_end_to_end():
    ragged = Ragged.of(ROWS)
    assert len(ragged) == 4 and ragged.lengths.tolist() == [3, 0, 1, 4] and ragged.ids.dtype == np.int32
    for row, values in enumerate(ROWS):
        assert ragged[row].tolist() == values.tolist()
    assert len(Ragged.of([])) == 0


def test_padding_fills_up_at_the_end():
    ragged = Ragged.of(ROWS)
    padded = ragged.padded(np.array([2, 0, 1]))
    assert padded.tolist() == [[8, 0, 0], [5, 6, 7], [0, 0, 0]] and padded.dtype == np.int32
    assert ragged.padded(np.array([2]), width=3).tolist() == [[8, 0, 0]]
    assert ragged.padded(np.array([3]), width=2).shape == (1, 4), "a row longer than the width is kept whole"
    assert ragged.padded(np.array([1])).shape == (1, 1), "a network needs one step at least"


@pytest.mark.parametrize(
    ("max_length", "kept"), [(1, [9]), (2, [9, 12]), (3, [9, 10, 12]), (4, [9, 10, 11, 12]), (9, [9, 10, 11, 12])]
)
def test_a_long_row_loses_its_middle(max_length, kept):
    shortened = Ragged.of(ROWS).shortened(max_length)
    assert shortened[3].tolist() == kept
    assert shortened.lengths.tolist() == np.minimum([3, 0, 1, 4], max_length).tolist() and shortened[2].tolist() == [8]


@settings(max_examples=100, deadline=None)
@given(lists_of_lengths, st.integers(1, 8), st.integers(1, 9), st.booleans(), st.integers(0, 3))
def test_batches_hold_each_row_once_and_fit_their_width(lengths, buckets, batch_size, shuffled, seed):
    lengths = np.array(lengths)
    limits = bucket_limits(lengths, buckets)
    assert limits == sorted(set(limits)) and len(limits) <= buckets and limits[-1] == max(1, lengths.max())

    def batches():
        return bucket_batches(lengths, limits, batch_size, np.random.default_rng(seed) if shuffled else None)

    rows = np.concatenate(batches())
    assert sorted(rows) == list(range(len(lengths)))
    assert sorted(map(len, batches()), reverse=True)[:-1] == [batch_size] * (len(batches()) - 1), "one may be smaller"
    for batch in batches():
        width = batch_width(lengths, limits, batch)
        assert width in limits and width >= lengths[batch].max()
    assert all(map(np.array_equal, batches(), batches())), "the same generator gives the same batches"


def test_batches_are_of_similar_length():
    random = np.random.default_rng(0)
    lengths = random.integers(1, 200, 2000)
    limits = bucket_limits(lengths, 8)
    batches = bucket_batches(lengths, limits, 20, random)
    computed = sum(len(batch) * batch_width(lengths, limits, batch) for batch in batches)
    assert computed < 1.2 * lengths.sum(), "a fifth of the steps at most is padding"
    widths = [batch_width(lengths, limits, batch) for batch in batches]
    assert widths != sorted(widths), "buckets are mixed, or an epoch would end with long rows only"
    assert widths[0] != widths[1], "Keras must see two lengths in the first two batches"


def test_rows_longer_than_the_last_limit_go_into_the_last_bucket():
    lengths = np.array([1, 2, 50, 60])
    batches = bucket_batches(lengths, [2, 10], 2)
    assert sorted(map(sorted, batches)) == [[0, 1], [2, 3]]
    assert batch_width(lengths, [2, 10], np.array([2, 3])) == 10
