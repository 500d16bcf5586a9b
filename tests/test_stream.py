"""Streams: a batch is a function of seed, epoch and index alone; errors come out as they were raised."""

import keras
import numpy as np
import pytest

from common.errors import UserError
from common.stream import Cache, Stream, array_stream, reraise_stream_errors, row_batches
from tests.test_training import config, fit_on, toy_model, toy_run

X = np.arange(60, dtype="float32").reshape(20, 3)
Y = X.sum(axis=1)


def noisy(seed: int = 0, batch_size: int = 6) -> Stream:
    """Rows in random order, each with random noise: both kinds of randomness that a project needs."""

    def load(rows, random):
        return X[rows] + random.normal(size=(len(rows), 3)), Y[rows]

    return Stream(lambda epoch, random: row_batches(len(X), batch_size, random), load, seed)


def read(stream: Stream, order=None) -> list[np.ndarray]:
    """The inputs of each batch, asked for in this order."""
    batches = {index: stream[index][0] for index in (range(len(stream)) if order is None else order)}
    return [batches[index] for index in sorted(batches)]


def same(first, second) -> bool:
    return len(first) == len(second) and all(map(np.array_equal, first, second))


def test_a_batch_is_a_function_of_seed_epoch_and_index():
    stream = noisy()
    first = read(stream)
    assert same(first, read(stream)), "asked twice"
    assert same(first, read(stream, [3, 0, 2, 1])), "asked in another order, ahead of time"
    stream.epoch = 5
    assert not same(first, read(stream))
    stream.epoch = 0
    assert same(first, read(stream)), "an epoch does not depend on those before it"
    assert same(first, read(noisy())), "nor on the object"
    resumed = noisy()
    resumed.epoch = stream.epoch = 3
    assert same(read(resumed), read(stream)), "a resumed training reads what it would have read"


def test_order_and_noise_differ_between_epochs_seeds_and_batches():
    def order(stream):
        return np.concatenate(list(stream.batches)).tolist()

    stream, other = noisy(), noisy(seed=1)
    orders = [order(stream), order(other)]
    stream.epoch = 1
    orders.append(order(stream))
    assert len({tuple(rows) for rows in orders}) == 3
    assert all(sorted(rows) == list(range(20)) for rows in orders), "each row once"
    # The same rows in each batch and epoch, so that what differs is the noise.
    still = Stream(lambda epoch, random: [0, 0], lambda row, random: (random.normal(size=3),))
    noise = [*read(still)]
    still.epoch = 1
    noise += read(still)
    assert len({tuple(values) for values in noise}) == 4


def test_the_plan_and_the_batches_draw_different_numbers():
    planned = []

    def plan(epoch, random):
        planned.append(random.random())
        return [0, 1]

    stream = Stream(plan, lambda row, random: (random.random(),))
    assert len({planned[0], stream[0][0], stream[1][0]}) == 3


def test_row_batches_hold_each_row_once():
    assert [batch.tolist() for batch in row_batches(5, 2)] == [[0, 1], [2, 3], [4]]
    assert [len(batch) for batch in row_batches(4, 2)] == [2, 2]
    shuffled = row_batches(50, 7, np.random.default_rng(0))
    assert sorted(np.concatenate(shuffled)) == list(range(50)) and np.concatenate(shuffled).tolist() != list(range(50))


@pytest.mark.parametrize(
    "inputs", [X, (X, X * 2), {"a": X, "b": X * 2}], ids=["an array", "a tuple of arrays", "a dict of arrays"]
)
def test_arrays_are_shuffled_together_and_anew_in_each_epoch(inputs):
    weights = np.arange(20)
    stream = array_stream(inputs, Y, weights, 6, seed=0)
    orders = []
    for epoch in range(2):
        stream.epoch = epoch
        batches = [stream[index] for index in range(len(stream))]
        assert [len(batch[1]) for batch in batches] == [6, 6, 6, 2]
        order = np.concatenate([batch[2] for batch in batches])
        for batch in batches:
            parts, rows = keras.tree.flatten(batch[0]), batch[2]
            assert type(batch[0]) is type(inputs)
            assert all(np.array_equal(part, X[rows] * (i + 1)) for i, part in enumerate(parts))
            assert np.array_equal(batch[1], Y[rows])
        orders.append(order.tolist())
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1]) == list(range(20))


def test_array_streams_leave_out_what_is_not_there():
    assert len(array_stream(X, None, None, 6, 0)[0]) == 1
    assert len(array_stream(X, Y, None, 6, 0)[0]) == 2


def failing(at: int) -> Stream:
    """A stream whose batch of this number cannot be made."""

    def load(rows, random):
        if at in rows:
            raise UserError(f"row {at} is damaged")
        return X[rows], Y[rows]

    return Stream(lambda epoch, random: row_batches(len(X), 4), load)


@pytest.mark.parametrize("at", [0, 19], ids=["the first batch", "the last batch"])
def test_fit_raises_the_error_of_a_stream_as_it_is(at, tmp_path):
    with pytest.raises(UserError, match=f"row {at} is damaged"):
        fit_on(failing(at), (X, Y), config(), toy_run(tmp_path))


def test_fit_raises_the_error_of_the_validation_stream_as_it_is(tmp_path):
    with pytest.raises(UserError, match="row 7 is damaged"):
        fit_on((X, Y), failing(7), config(), toy_run(tmp_path))


def test_predict_raises_the_error_of_a_stream_as_it_is():
    stream, model = failing(19), toy_model()
    with pytest.raises(UserError, match="row 19 is damaged"), reraise_stream_errors(stream):
        model.predict(stream, verbose=0)


def test_an_error_elsewhere_is_left_alone():
    with pytest.raises(KeyError), reraise_stream_errors(noisy(), X):
        raise KeyError("another")


def test_fit_tells_the_stream_the_epoch(tmp_path):
    """Each epoch is read as its number says, a resumed one too."""
    read_in: dict[int, list] = {}

    def recording() -> Stream:
        stream = noisy()
        load = stream.load

        def recorded(rows, random):
            read_in.setdefault(stream.epoch, []).append(rows.tolist())
            return load(rows, random)

        stream.load = recorded
        return stream

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise RuntimeError("crash")

    def wanted(epoch):
        stream = noisy()
        stream.epoch = epoch
        return [rows.tolist() for rows in stream.batches]

    with pytest.raises(RuntimeError, match="crash"):
        fit_on(recording(), (X, Y), config(epochs=4), toy_run(tmp_path), [Stop()])
    read_in.clear()
    fit_on(recording(), (X, Y), config(epochs=4), toy_run(tmp_path))
    assert sorted(read_in) == [1, 2, 3]
    for epoch, batches in read_in.items():
        assert batches[-4:] == wanted(epoch), epoch


def test_a_cache_is_bounded():
    made = []

    def make(key):
        made.append(key)
        return np.full(10, key, np.uint8)

    cache = Cache(make, max_bytes=25)
    assert [int(cache[key][0]) for key in (1, 2, 3, 1, 2, 3, 3)] == [1, 2, 3, 1, 2, 3, 3]
    assert made == [1, 2, 3, 3, 3], "the third array does not fit, so it is made each time"
    assert sorted(cache) == [1, 2] and cache.bytes == 20
