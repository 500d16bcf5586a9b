"""fit(): what survives a crash, what ends a training, what is kept."""

import json
import types

import keras
import numpy as np
import pytest

from common import checkpoint, training
from common.errors import UserError
from common.runs import Run

X = np.random.default_rng(0).normal(size=(128, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]], "float32")) + 0.3


class ToyRun(Run):
    metric = ("loss", "min")


def toy_run(tmp_path) -> ToyRun:
    return ToyRun(tmp_path)


def toy_model() -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dropout(0.2)(keras.layers.Dense(8)(inputs))))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


def config(**changes):
    return types.SimpleNamespace(**{"epochs": 6, "batch_size": 32, "patience": 10, "seed": 0, **changes})


def fit(model, run, callbacks=(), **changes):
    training.fit(model, (X, Y), (X, Y), config(**changes), run, callbacks)


def fit_on(train, validation, settings, run, callbacks=()):
    training.fit(toy_model(), train, validation, settings, run, callbacks)


class At(keras.callbacks.Callback):
    """Does something at the end of a given epoch, before the checkpoint is written."""

    def __init__(self, epoch, action):
        super().__init__()
        self.at, self.action = epoch, action

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.at:
            self.action()


def crash():
    raise RuntimeError("crash")


def interrupt():
    raise KeyboardInterrupt


def test_resume_goes_on_with_weights_optimizer_and_counters(tmp_path):
    run = toy_run(tmp_path)
    with pytest.raises(RuntimeError):
        fit(toy_model(), run, [At(4, crash)])
    state = json.loads((tmp_path / "checkpoint" / "00003" / "state.json").read_text())
    assert state["epoch"] == 3 and [row["epoch"] for row in run.history] == [1, 2, 3]
    resumed, seen = toy_model(), {}

    class Look(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.setdefault(epoch, int(self.model.optimizer.iterations.numpy()))

    fit(resumed, run, [Look()])
    assert list(seen) == [3, 4, 5], "finished epochs are not trained again"
    assert seen[3] == 3 * 4, "the optimiser's step count goes on"
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4, 5, 6]
    assert min(row["val_loss"] for row in run.history) == pytest.approx(resumed.evaluate(X, Y, verbose=0), rel=1e-5)


def test_each_network_of_a_run_counts_its_own_epochs(tmp_path):
    run = toy_run(tmp_path)
    for part, epochs in (("first", 2), ("second", 4)):
        training.fit(toy_model(), (X, Y), (X, Y), config(epochs=epochs), run, part=part)
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4, 5, 6]
    assert [(row["network"], row["epochs"]) for row in run.history] == [(1, 2)] * 2 + [(2, 4)] * 4


def test_a_resumed_training_ends_with_the_same_weights(tmp_path):
    """To the last bit, with dropout, shuffling, Adam's averages and a learning rate that falls."""
    models, runs = [], []
    for crashes in ([], [2, 4]):
        runs.append(ToyRun(tmp_path / str(len(crashes))))
        runs[-1].path.mkdir()
        for epoch in crashes:
            with pytest.raises(RuntimeError):
                fit(toy_model(), runs[-1], [training.OneCycle(0.05, 6), At(epoch, crash)], patience=2)
        models.append(toy_model())
        fit(models[-1], runs[-1], [training.OneCycle(0.05, 6)], patience=2)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
    whole, resumed = ([{**row, "seconds": 0} for row in run.history] for run in runs)
    assert whole == resumed


def test_counters_of_stop_and_plateau_survive(tmp_path):
    """Nothing can improve at learning rate 0, so the stop comes after exactly `patience` epochs, resumed or not."""

    def motionless():
        model = toy_model()
        model.compile(keras.optimizers.SGD(0.0), "mse")
        return model

    run = toy_run(tmp_path)
    with pytest.raises(RuntimeError):
        fit(motionless(), run, [At(4, crash)], epochs=50, patience=5)
    state = json.loads((tmp_path / "checkpoint" / "00003" / "state.json").read_text())
    assert state["counters"]["early_stopping"]["wait"] == 2
    fit(motionless(), run, epochs=50, patience=5)
    assert len(run.history) == 6


def test_a_counter_that_keras_renames_is_not_lost_in_silence(tmp_path, monkeypatch):
    monkeypatch.setitem(checkpoint.COUNTERS, keras.callbacks.EarlyStopping, ("wait", "its_old_name"))
    with pytest.raises(AttributeError, match="its_old_name"):
        fit(toy_model(), toy_run(tmp_path))


def test_everything_that_keras_counts_is_saved():
    """A new Keras may count more: then this fails, and COUNTERS needs the new name."""
    callbacks = [keras.callbacks.EarlyStopping("val_loss"), keras.callbacks.ReduceLROnPlateau("val_loss", patience=1)]
    before: list[dict] = []

    class Second(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            before.extend({**vars(callback)} for callback in callbacks if epoch == 1)

    model = toy_model()
    model.compile(keras.optimizers.SGD(0.0), "mse")  # nothing improves
    callbacks[0].patience = 5
    model.fit(X, Y, validation_data=(X, Y), epochs=4, callbacks=[*callbacks, Second()], verbose=0)
    for callback, values in zip(callbacks, before, strict=True):
        changed = {key for key, value in vars(callback).items() if value != values.get(key)}
        assert changed and changed <= set(checkpoint.COUNTERS[type(callback)])


def test_of_two_epochs_with_one_score_the_smaller_loss_is_the_better(tmp_path):
    """The checkpoint breaks the tie, and the score that is logged stays as it is."""

    class Accuracy(ToyRun):
        metric = ("accuracy", "max")

    run, model, weights = Accuracy(tmp_path), toy_model(), []
    scores, losses = [0.5, 0.75, 0.75, 0.75, 0.5, 0.75], [1.0, 3.0, 2.0, 4.0, 0.5, 2.0]

    class Losses(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = losses[epoch]
            weights.append(model.get_weights())

    given = iter(scores)
    training.fit(model, (X, Y), (X, Y), config(), run, [Losses()], score=lambda predictions: {"accuracy": next(given)})
    assert [row["val_accuracy"] for row in run.history] == scores
    for one, other in zip(model.get_weights(), weights[2], strict=True):
        np.testing.assert_array_equal(one, other)


def test_learning_rate_falls_on_a_plateau(tmp_path):
    model = toy_model()
    model.compile(keras.optimizers.SGD(1e-12), "mse")  # too small to change a float32 weight: a plateau
    fit(model, toy_run(tmp_path), epochs=5, patience=4)
    rates = [row["learning_rate"] for row in toy_run(tmp_path).history]
    assert len(rates) == 5
    model.compile(keras.optimizers.SGD(1e-4), keras.losses.MeanSquaredError())
    other = ToyRun(tmp_path / "other")
    other.path.mkdir()
    training.fit(model, (X, Y * 0), (X, Y * 0 + 1e6), config(epochs=6, patience=4), other)
    assert other.history[-1]["learning_rate"] < 1e-4


def test_half_a_checkpoint_is_never_read(tmp_path):
    """A kill between writing an epoch's folder and moving the pointer leaves the epoch before it in force."""
    run = toy_run(tmp_path)
    with pytest.raises(RuntimeError):
        fit(toy_model(), run, [At(3, crash)])
    half = tmp_path / "checkpoint" / "00003"
    half.mkdir()
    (half / "model.npz").write_bytes(b"half a fi")
    (half / "state.json").write_text("")
    fit(toy_model(), run)
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4, 5, 6]


def test_best_epoch_is_kept_over_a_resume(tmp_path):
    """The best weights come from before the crash; what follows is worse and must not replace them."""
    run = toy_run(tmp_path)
    with pytest.raises(RuntimeError):
        fit(toy_model(), run, [At(5, crash)])
    best = min(row["val_loss"] for row in run.history)
    model = toy_model()

    class Spoil(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.layers[-1].bias.assign([100.0])

    fit(model, run, [Spoil()])
    assert run.history[-1]["val_loss"] > 100 * best
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(best, rel=1e-5)


def test_ended_training_is_not_trained_again(tmp_path):
    run = toy_run(tmp_path)
    fit(toy_model(), run)
    weights = toy_model()
    fit(weights, run, [At(1, crash)])
    assert len(run.history) == 6


def test_ctrl_c_keeps_the_best_epoch(tmp_path):
    run, model = toy_run(tmp_path), toy_model()
    fit(model, run, [At(3, interrupt)])
    assert len(run.history) == 2
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(min(row["val_loss"] for row in run.history), rel=1e-5)


def test_ctrl_c_before_the_first_epoch_has_ended_is_passed_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(toy_model(), toy_run(tmp_path), [At(1, interrupt)])


def test_stop_file_ends_the_training(tmp_path):
    run = toy_run(tmp_path)
    fit(toy_model(), run, [At(2, run.stop_file.touch)], epochs=1000, batch_size=1)
    assert 2 <= len(run.history) < 30


def test_a_loss_that_is_not_a_number_is_said(tmp_path):
    model = toy_model()
    model.compile(keras.optimizers.SGD(1e30), "mse")
    with pytest.raises(UserError, match="--learning-rate"):
        fit(model, toy_run(tmp_path))


def test_checkpoint_of_another_model_is_refused(tmp_path):
    run = toy_run(tmp_path)
    with pytest.raises(RuntimeError):
        fit(toy_model(), run, [At(2, crash)])
    inputs = keras.Input((3,))
    other = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    other.compile("adam", "mse")
    with pytest.raises(UserError, match="another model"):
        fit(other, run)


class TwoOptimizers(keras.Model):
    """The shape of a GAN: two networks, two optimisers, a step of its own."""

    def __init__(self):
        super().__init__()
        self.one, self.two = keras.layers.Dense(1), keras.layers.Dense(1)
        self.build((None, 3))
        self.first, self.second = keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.02)
        self.compile(loss="mse")
        self.first.build(self.one.trainable_variables)
        self.second.build(self.two.trainable_variables)

    def build(self, shape):
        self.one.build(shape)
        self.two.build(shape)
        self.built = True

    def call(self, x):
        return self.one(x) + self.two(x)

    def train_step(self, data):
        import tensorflow as tf

        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape(persistent=True) as tape:
            loss = keras.ops.mean((self(x) - y) ** 2)
        for layer, optimizer in ((self.one, self.first), (self.two, self.second)):
            optimizer.apply_gradients(
                zip(tape.gradient(loss, layer.trainable_variables), layer.trainable_variables, strict=True)
            )
        return {"loss": loss}


def test_two_optimizers_are_restored(tmp_path):
    keras.utils.set_random_seed(1)
    run, model = toy_run(tmp_path), TwoOptimizers()
    with pytest.raises(RuntimeError):
        fit(model, run, [At(3, crash)])
    resumed = TwoOptimizers()
    checkpoint = training.Checkpoint(run, "val_loss", "min", {})
    checkpoint.restore(resumed)
    for optimizer in (resumed.first, resumed.second):
        assert int(optimizer.iterations.numpy()) == 8
        assert any(np.abs(variable.numpy()).sum() > 0 for variable in optimizer.variables[2:])


def test_a_metric_that_nobody_reports_is_named(tmp_path):
    class Other(ToyRun):
        metric = ("accuracy", "max")

    with pytest.raises(ValueError, match="val_accuracy is not among"):
        fit(toy_model(), Other(tmp_path))


def test_an_autoencoder_has_no_targets_but_a_batch_size(tmp_path):
    inputs = keras.Input((3,))
    steps = []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(batch)

    class Reconstruct(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean((x - y_pred) ** 2)

    model = Reconstruct(inputs, keras.layers.Dense(3)(inputs))
    model.compile("adam")
    training.fit(model, (X, None), (X, None), config(epochs=1, batch_size=128), toy_run(tmp_path), [Count()])
    assert steps == [0]


def test_tensorboard_logs_are_written(tmp_path):
    run = ToyRun(tmp_path, tensorboard=True)
    fit(toy_model(), run, epochs=1)
    assert list((tmp_path / "tensorboard").rglob("events.*"))


def test_history_without_an_epoch_is_empty(tmp_path):
    assert toy_run(tmp_path).history == []


def test_one_cycle_goes_up_and_down():
    rates = np.array([training.one_cycle(done, 0.1) for done in np.linspace(0, 1, 101)])
    top = int(rates.argmax())
    assert rates[top] == pytest.approx(0.1) and 10 <= top <= 20
    assert (np.diff(rates[: top + 1]) > 0).all() and (np.diff(rates[top:]) < 0).all() and rates[-1] < 1e-6
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate))

    model.fit(
        np.zeros((8, 2)),
        np.zeros(8),
        2,
        epochs=4,
        initial_epoch=2,
        callbacks=[training.OneCycle(0.1, 4), Watch()],
        verbose=0,
    )
    np.testing.assert_allclose(seen, [training.one_cycle(step / 16, 0.1) for step in range(8, 16)], rtol=1e-5)
