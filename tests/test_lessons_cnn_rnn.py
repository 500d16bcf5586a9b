"""The lectures' numbers in the lessons of convolutional and recurrent networks, and each lesson beside Keras on more settings."""

import numpy as np
import pytest

from apps.lessons import l11_vanishing_gradients as vanishing
from apps.lessons import l12_convolution as convolution
from apps.lessons import l13_pooling as pooling
from apps.lessons import l14_recurrent_step as recurrent
from apps.lessons import l15_topologies as topologies
from apps.lessons import l16_lengths as lengths
from apps.lessons import l17_long_dependencies as dependencies
from apps.lessons import l18_gates as gates
from apps.lessons import l19_search as search
from apps.lessons import l20_alexnet_to_resnet as resnet
from apps.lessons import l21_precision_and_recall as heaps
from tests.test_laboratory import lesson

RANDOM = np.random.default_rng(0)


def same_as_keras(module, **changes):
    """compute and keras agree to 1e-5 on the example with these changes. Returns what compute gives."""
    values = {**module.EXAMPLE, **changes}
    ours, theirs = module.compute(**values), module.keras(**values)
    for name, value in theirs.items():
        np.testing.assert_allclose(
            np.asarray(value, float), np.asarray(ours[name], float), atol=1e-5, rtol=1e-5, err_msg=name
        )
    return ours


def test_convolution_gives_the_lecture_s_numbers():
    result = convolution.compute(**convolution.EXAMPLE)["result"][:, :, 0]
    assert result.tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_convolution_with_channels_and_filters_is_keras(stride, padding):
    """A colour picture gives as many feature maps as there are filters."""
    x, filters = RANDOM.normal(size=(7, 6, 3)), RANDOM.normal(size=(3, 2, 3, 4))
    result = same_as_keras(convolution, x=x, filters=filters, stride=stride, padding=padding)["result"]
    assert result.shape[2] == 4
    alone = [convolution.compute(x[:, :, [c]], filters[:, :, [c]], stride, padding)["result"] for c in range(3)]
    np.testing.assert_allclose(sum(alone), result)


def test_the_page_of_convolution_shows_the_nine_products_of_a_cell():
    app = lesson("convolution", **{"result-row": "2", "result-column": "3"})
    assert r"1 \cdot 1 + 1 \cdot 0 + 0 \cdot 1" in app.latex[1].value and "&= 3" in app.latex[1].value
    assert lesson("convolution", filter="1 1 1 1 1 1").error[0].value == "The filter is larger than the picture."


def test_pooling_gives_the_lecture_s_numbers():
    x = pooling.EXAMPLE["x"]
    assert pooling.compute(x, 2, 1, "max")["result"].tolist() == [[2, 3], [2, 3]]
    assert pooling.compute(x, 2, 1, "mean")["result"].tolist() == [[1.25, 2], [1, 1.5]]
    whole = convolution.compute(**convolution.EXAMPLE)["result"][:, :, 0]
    assert pooling.compute(whole, 3, 1, "max")["result"].tolist() == [[4]]


@pytest.mark.parametrize("kind", ["max", "mean"])
def test_pooling_with_stride_two_is_keras(kind):
    result = same_as_keras(pooling, x=RANDOM.normal(size=(7, 6)), window=2, stride=2, kind=kind)
    assert result["result"].shape == (3, 3) and result["parameters"] == 0


def test_the_chain_of_pooling_is_keras():
    from keras import layers, models

    ours = pooling.chain(convolution.PICTURE, pooling.FILTERS, pooling.DENSE)
    model = models.Sequential(
        [
            layers.Input((5, 5, 1)),
            layers.Conv2D(2, 3, activation="relu", use_bias=False),
            layers.GlobalMaxPooling2D(),
            layers.Dense(3, activation="softmax", use_bias=False),
        ]
    )
    model.set_weights([pooling.FILTERS[:, :, None, :], pooling.DENSE])
    np.testing.assert_allclose(model(convolution.PICTURE[None, :, :, None])[0], ours["softmax"], atol=1e-6)
    assert ours["pooling"][0] == 4


def test_pooling_makes_a_shift_matter_less():
    for number in (700, 1500, 2600, 3300):
        without, largest = pooling.changed(pooling.digit(number), 1, 4, "max")
        assert largest < without
    assert pooling.changed(pooling.digit(700), 0, 2, "max") == (0, 0)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_a_recurrent_step_from_any_start_is_keras(activation):
    result = same_as_keras(recurrent, activation=activation, start=np.array([1.0, -0.5, 0.25]))
    x, w, start = recurrent.EXAMPLE["u"][0], recurrent.EXAMPLE, np.array([1.0, -0.5, 0.25])
    z = w["w_in"] @ x + w["w_state"] @ start + w["b"]
    np.testing.assert_allclose(result["state"][0], np.tanh(z) if activation == "tanh" else 1 / (1 + np.exp(-z)))


def test_the_answer_of_a_recurrent_step_is_what_keras_counts():
    import keras

    layer = keras.layers.SimpleRNN(100)
    layer.build((None, 7, 50))
    assert (
        layer.count_params() == 15_100 and "15,100" in recurrent.ANSWER["en"] and layer.cell.kernel.shape == (50, 100)
    )


@pytest.mark.parametrize("topology", topologies.FORMS)
def test_a_topology_has_the_shapes_weights_and_loss_of_keras(topology):
    inputs, _, outputs, _ = topologies.FORMS[topology]
    probabilities = RANDOM.dirichlet(np.ones(5), len(outputs))
    result = same_as_keras(
        topologies,
        topology=topology,
        units=6,
        features=3,
        probabilities=probabilities,
        targets=RANDOM.integers(0, 5, len(outputs)),
    )
    assert result["input shape"] == (len(inputs), 3) and result["output shape"] == (len(outputs), 5)


@pytest.mark.parametrize("typed, sentence", [("0.5 0.6 0", "the sum 1"), ("1.5 -0.5 0", "from 0 to 1")])
def test_probabilities_that_are_none_are_refused(typed, sentence):
    app = lesson("topologies", topology="one-to-one", **{"probabilities-1": typed})
    assert sentence in app.error[0].value


def test_targets_that_are_no_classes_are_refused():
    assert "from 1 to 3" in lesson("topologies", topology="one-to-one", **{"targets-1": "4"}).error[0].value


def test_without_a_mask_padding_changes_the_answer():
    result = same_as_keras(lengths)
    alone = lengths.compute(**{**lengths.EXAMPLE, "ids": lengths.EXAMPLE["ids"][2:, :1]})
    assert result["state"][2] == alone["state"][0], "a sentence keeps its answer beside longer ones"
    assert abs(result["state without mask"][2] - alone["state"][0]) > 0.1
    assert result["state"][0] == result["state without mask"][0], "the longest sentence has no padding"


def test_the_example_of_lengths_is_the_sentences_of_the_page():
    ids, symbols = lengths.read(lengths.SENTENCES, eos=False)
    assert ids.tolist() == lengths.EXAMPLE["ids"].tolist() and symbols[:2] == ["<pad>", "<unk>"]
    ended, symbols = lengths.read(lengths.SENTENCES, eos=True)
    assert [symbols[row[row > 0][-1]] for row in ended] == ["<eos>"] * 3


@pytest.mark.parametrize("text", ["", " ; ;", "a;" * 13, "a " * 17])
def test_sentences_that_cannot_be_shown_are_refused(text):
    assert lesson("lengths", sentences=text).error[0].value.startswith("Sentences: at ")


def test_buckets_lower_the_padding():
    sizes = np.array([1, 1, 9, 9])
    assert lengths.padded_part(sizes, [np.array([0, 2]), np.array([1, 3])]) == pytest.approx(16 / 36)
    assert lengths.padded_part(sizes, [np.array([0, 1]), np.array([2, 3])]) == 0


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gates_with_any_weights_are_those_of_keras(cell):
    weights = RANDOM.normal(size=(3, len(gates.COLUMNS[cell])))
    same_as_keras(gates, cell=cell, x=RANDOM.normal(size=12), weights=weights)


def test_a_forget_gate_shows_in_the_cell():
    x = np.array([1.0] + [0.0] * 9)
    forgets, remembers = (gates.compute(x, weights["lstm"], "lstm") for weights in (gates.FORGETS, gates.REMEMBERS))
    np.testing.assert_allclose(forgets["f"][1:], 0.731, atol=1e-3)
    np.testing.assert_allclose(forgets["c"][1:] / forgets["c"][:-1], 0.731, atol=1e-3)
    assert remembers["c"][-1] > 0.9 * remembers["c"][0]
    gru = [gates.compute(x, weights["gru"], "gru")["h"] for weights in (gates.FORGETS, gates.REMEMBERS)]
    np.testing.assert_allclose(gru[0][1:] / gru[0][:-1], 0.622, atol=1e-3)
    assert gru[1][-1] / gru[1][0] > 0.6


def test_never_an_alarm_is_right_in_99_8_percent():
    never = same_as_keras(heaps, threshold=10.0)
    assert f"{never['accuracy']:.2%}" == "99.83%" and never["recall"] == 0 and never["tp"] + never["fp"] == 0


@pytest.mark.parametrize("threshold", [-4.0, 0.5, 2.0, 3.7])
def test_a_threshold_is_a_point_of_both_curves(threshold):
    result = same_as_keras(heaps, threshold=threshold)
    line = heaps.curves(100, 59_900, 3.0)
    above, below = line[line["threshold"] >= threshold], line[line["threshold"] <= threshold]
    lowest = above["recall"].iloc[-1] if len(above) else 0
    assert lowest <= result["recall"] <= (below["recall"].iloc[0] if len(below) else 1)
    assert line["recall"].is_monotonic_increasing and line["false"].is_monotonic_increasing


def test_the_curves_are_those_of_scikit_learn():
    from sklearn.metrics import precision_score, recall_score

    positive, negative = heaps.scores(100, 59_900, 3.0)
    score, target = np.concatenate([positive, negative]), np.repeat([1, 0], [100, 59_900])
    for row in heaps.curves(100, 59_900, 3.0).iloc[::40].itertuples():
        alarm = score > row.threshold
        assert row.recall == pytest.approx(recall_score(target, alarm))
        assert row.precision == pytest.approx(precision_score(target, alarm, zero_division=0))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize(
    "start, normalise, shortcuts",
    [("glorot", True, False), ("he", False, True), ("he", True, True), ("small", False, False)],
)
def test_gradients_by_layer_are_those_of_keras(activation, start, normalise, shortcuts):
    norms = same_as_keras(
        vanishing,
        depth=5,
        activation=activation,
        start=vanishing.STARTS[start],
        normalise=normalise,
        shortcuts=shortcuts,
    )["norms"]
    assert len(norms) == 5 and (norms > 0).all()


def test_sigmoids_lose_the_gradient_and_relu_normalisation_and_shortcuts_keep_it():
    def kept(**changes):
        norms = vanishing.compute(**{**vanishing.EXAMPLE, "depth": 20, **changes})["norms"]
        return norms[0] / norms[-1]

    assert kept() < 1e-9
    assert all(
        kept(**changes) > 1e-2
        for changes in (
            {"activation": "relu", "start": vanishing.STARTS["he"]},
            {"normalise": True},
            {"shortcuts": True},
        )
    )
    assert f"{1.01**50:.2f}" in vanishing.ANSWER["en"] and f"{1.01**50:.2f}" in vanishing.ANSWER["ko"]


def test_gradients_of_fifty_layers_stay_on_the_page():
    for activation in ("sigmoid", "relu"):
        for start in ("small", "uniform"):
            app = lesson("vanishing_gradients", depth="50", activation=activation, start=start)
            assert not app.error and app.warning


def test_three_small_filters_and_a_large_one():
    assert resnet.compute(1, 3) == {"stack": 27, "single": 49, "field": 7}
    for number in (1, 2, 5):
        same_as_keras(resnet, channels=8, layers_of_three=number)


def test_the_parameters_of_the_papers_networks():
    """The sums that the papers, torchvision and Keras give: 61, 138.4, 7.0 and 25.6 million."""
    totals = {name: sum(count()) for name, _, count, _, _ in resnet.NETWORKS}
    assert totals == {"AlexNet": 60_965_224, "VGG-16": 138_357_544, "GoogLeNet": 6_998_552, "ResNet-50": 25_557_032}
    assert resnet.dense(7 * 7 * 512, 4096) == 102_764_544 and resnet.vgg16()[0] == 14_714_688


def test_the_parameters_of_vgg_and_resnet_are_those_of_keras():
    import keras

    assert keras.applications.VGG16(weights=None, include_top=False).count_params() == resnet.vgg16()[0]
    model = keras.applications.ResNet50(weights=None, include_top=False)
    # The model in Keras has biases in its convolutions, and keeps the mean and the variance of each channel.
    sizes = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert model.count_params() - 3 * sum(sizes) == resnet.resnet50()[0]


@pytest.mark.parametrize("cell", dependencies.GATES)
@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_gradients_by_distance_are_those_of_keras(cell, scale):
    norms = same_as_keras(dependencies, cell=cell, scale=scale, keep=2.0, steps=12)["norms"]
    assert norms.shape == (12,) and (norms > 0).all()


def test_a_gate_that_keeps_carries_the_gradient_forty_words():
    def kept(cell, **changes):
        norms = dependencies.compute(**{**dependencies.EXAMPLE, "cell": cell, "steps": 41, "scale": 0.8, **changes})[
            "norms"
        ]
        return norms[0] / norms[-1]

    assert kept("SimpleRNN") < 1e-4
    assert kept("LSTM", keep=6.0) > 0.1 and kept("GRU", keep=6.0) > 0.1
    assert kept("LSTM", keep=6.0) > 100 * kept("LSTM", keep=0.0)
    words = dependencies.FAR.split()
    assert len(words) - 1 - words.index("Korea") == 40


def test_a_network_that_has_no_run_is_trained_from_the_page(monkeypatch):
    started = []
    monkeypatch.setattr("apps.training.launch", started.append)
    app = lesson("long_dependencies")
    for name, (model, rate) in dependencies.MODELS.items():
        app.button(key=f"long_dependencies-train-{name}").click().run()
        config = started[-1].config
        assert not app.exception and (config.model, config.length, config.learning_rate) == (model, 100, rate)
    assert len(started) == len(dependencies.MODELS) and not app.dataframe


def test_runs_of_the_adding_problem_are_shown(trained, monkeypatch):
    """The toy run is that of a GRU: its figures are in the table, and only the two other networks are offered."""
    run = trained("adding_problem")
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(run.path.parents[1]))
    app = lesson("long_dependencies")
    shown = app.dataframe[0].value
    error = run.report["test"]["model"]["mean_squared_error"]["value"]
    assert shown.to_numpy().tolist() == [["GRU", run.config.length, pytest.approx(error)]]
    offered = [button.key for button in app.button if "-train-" in button.key]
    assert offered == ["long_dependencies-train-SimpleRNN", "long_dependencies-train-LSTM"] and not app.error


@pytest.mark.parametrize("topology", topologies.FORMS)
def test_every_project_of_a_topology_is_linked(topology):
    expected = {
        "many-to-many": ["char_rnn", "comic_text", "sequence_tagging", "video_labelling"],
        "deep": ["char_rnn", "comic_text", "sequence_tagging", "video_labelling"],
        "delayed": ["translation"],
        "one-to-many": ["image_captioning"],
    }
    names = topologies.projects_of(topology)
    assert names == expected.get(topology, names) and ("one-to" in topology or "text_classification" in names or names)
    text = " ".join(part.value for part in lesson("topologies", topology=topology).markdown)
    assert all(f"apps/{name}.py" in text for name in names)


def test_a_grid_tries_three_values_of_the_knob_that_matters_and_random_search_nine():
    tried = {kind: search.trials(kind, 3) for kind in ("grid", "random", "refine")}
    assert [len(np.unique(points[:, 0].round(9))) for points in tried.values()] == [3, 9, 9]
    for points in tried.values():
        assert points.shape == (9, 2)
        for knob, (low, high) in enumerate((search.RATES, search.DECAYS)):
            assert (low <= points[:, knob]).all() and (points[:, knob] <= high).all()


def test_one_knob_matters_and_the_other_hardly_does():
    rates, decays = np.linspace(*search.RATES, 20), np.linspace(*search.DECAYS, 20)
    by_rate = search.losses(np.column_stack([rates, np.full(20, -4.5)]))
    by_decay = search.losses(np.column_stack([np.full(20, -1.0), decays]))
    assert np.ptp(by_rate) > 100 * np.ptp(by_decay)


def test_the_trials_of_refine_train_in_keras_as_here():
    same_as_keras(search, points=search.trials("refine", 1))


def test_on_average_random_trials_find_a_lower_loss_than_the_grid():
    best = {
        kind: np.mean([search.losses(search.trials(kind, seed)).min() for seed in range(200)])
        for kind in ("grid", "random", "refine")
    }
    assert max(best["random"], best["refine"]) < best["grid"] / 2


def test_a_recorded_search_is_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_PORTFOLIO_RUNS", str(tmp_path))
    assert lesson("search").info
    folder = tmp_path / "char_rnn" / "searches" / "20260101"
    folder.mkdir(parents=True)
    (folder / "trials.csv").write_text("trial,state,learning_rate,units\n0,complete,0.1,64\n1,complete,0.2,64\n")
    app = lesson("search")
    counts = app.dataframe[1].value
    assert not app.info and sorted(counts.to_numpy().tolist()) == [["learning rate", 2], ["units", 1]]
