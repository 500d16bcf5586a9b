"""The laboratory: the lectures' numbers, each lesson beside Keras, every lesson's page, and what visitors type."""

import errno
import itertools
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

from apps import laboratory, lessons, shared
from common.errors import UserError
from tests.browser import browser, executable, served, settle
from tests.conftest import PROJECTS, ROOT
from tests.test_theme import contrast

LESSONS = laboratory.all_lessons()


def lesson(name: str, language: str = "en", **values: str) -> AppTest:
    """The page of a lesson, with these values in the address."""
    app = AppTest.from_file(str(ROOT / "apps" / "laboratory.py"), default_timeout=60)
    app.query_params["lesson"], app.query_params["language"] = name, language
    for key, value in values.items():
        app.query_params[f"{name}.{key}"] = value
    app.run()
    assert not app.exception, app.exception
    return app


def test_what_stands_in_a_unit_can_be_read():
    """On the colours of a drawing, and on those of paints, which a visitor mixes."""
    paints = itertools.product(range(0, 256, 15), repeat=3)
    for colour in (*lessons.COLOURS, lessons.GREY, *("#{:02X}{:02X}{:02X}".format(*paint) for paint in paints)):
        assert contrast(lessons.on(colour), colour) >= 4.5, colour


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_complete(name):
    module = LESSONS[name]
    for text in (module.TITLE, module.QUESTION, module.ANSWER):
        assert list(text) == ["en", "ko"] and re.search("[가-힣]", text["ko"]) and not re.search("[가-힣]", text["en"])
    assert module.PROJECT in PROJECTS


def test_a_file_that_cannot_be_read_is_a_sentence(monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EACCES, "Permission denied", "projects")

    monkeypatch.setattr(lessons, "project_link", refuse)
    assert [error.value for error in lesson(next(iter(LESSONS))).error] == ["projects: Permission denied."]


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_lesson_ends_with_a_question_a_folded_answer_and_a_link(name, language):
    app, module = lesson(name, language), LESSONS[name]
    question, answer = {"en": ("A question", "Answer"), "ko": ("질문", "답")}[language]
    assert app.subheader[-1].value == question and module.QUESTION[language] in [part.value for part in app.markdown]
    folded = app.expander[-1]
    assert folded.label == answer and folded.markdown[0].value == module.ANSWER[language] and not folded.proto.expanded
    assert f"`python -m streamlit run apps/{module.PROJECT}.py`" in app.markdown[-1].value


@pytest.mark.parametrize("name", LESSONS)
def test_the_code_to_copy_is_about_ten_lines(name):
    """Imports and the numbers that are given come before it."""
    code = laboratory.code_to_copy(LESSONS[name], LESSONS[name].EXAMPLE).partition("\n\n")[2]
    values = LESSONS[name].EXAMPLE.values()
    arrays = sum(isinstance(value, np.ndarray) for value in values)
    assert len(code.splitlines()) - arrays - (arrays < len(values)) <= 12


@pytest.mark.parametrize("name", LESSONS)
def test_the_address_holds_every_number_and_choice_of_a_lesson(name):
    """Every field is changed. The address that follows opens the same page in a new session."""
    kinds = ("number_input", "slider", "text_input", "toggle", "button_group", "selectbox")
    app = lesson(name)
    fields = [(kind, key) for kind in kinds for key in keys_of(app, kind) if not key.endswith(".keras")]
    for kind, key in fields:
        field = getattr(app, kind)(key=key)
        field.set_value(another(kind, field))
    app.run()
    again = AppTest.from_file(str(ROOT / "apps" / "laboratory.py"), default_timeout=60)
    again.query_params.update(app.query_params)
    again.run()
    assert fields and not app.exception and not again.exception
    first = lesson(name)
    for kind, key in fields:
        if key in keys_of(app, kind):  # another choice may have hidden it
            # A row that a smaller result does not have goes back to the first.
            same = getattr(app, kind)(key=key).value == getattr(first, kind)(key=key).value
            assert (key.removesuffix("-en") in app.query_params) != same and (
                not same or key.startswith("pooling.result")
            )
            assert getattr(again, kind)(key=key).value == getattr(app, kind)(key=key).value


def another(kind, field):
    """A legal value of a field that it does not have."""
    if kind == "toggle":
        return not field.value
    if kind == "text_input":
        return f"{field.value} "
    if kind in ("button_group", "selectbox"):
        return next(option for option in field.options if option not in (field.value, field.format_func(field.value)))
    step = field.step or (1 if isinstance(field.value, int) else 0.01)
    return field.value + step if field.value + step <= field.max else field.value - step


@pytest.mark.parametrize("document", ["lectures.md", "lectures.ko.md"])
def test_every_link_from_the_lectures_exists(document):
    path = ROOT / "docs" / document
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 40 and not [link for link in links if not (path.parent / link).is_file()]
    language = "ko" if document.endswith(".ko.md") else "en"
    for number, module in enumerate(LESSONS.values(), start=1):  # the row of each lesson, with its title and project
        assert re.search(
            rf"\| \[{number}\. {re.escape(module.TITLE[language])}\]\([^)]+\) \| \[{module.PROJECT}\]", text
        )


@pytest.mark.parametrize("name", LESSONS)
def test_keras_gives_the_same(name):
    module = LESSONS[name]
    ours, theirs = module.compute(**module.EXAMPLE), module.keras(**module.EXAMPLE)
    assert theirs
    for key, value in theirs.items():
        np.testing.assert_allclose(
            np.asarray(value, float), np.asarray(ours[key], float), atol=1e-5, rtol=1e-5, err_msg=key
        )


@pytest.mark.parametrize("name", LESSONS)
def test_the_code_to_copy_runs_and_prints_what_keras_gives(name):
    module, printed = LESSONS[name], []
    exec(laboratory.code_to_copy(module, module.EXAMPLE), {"print": printed.append})
    for key, value in module.keras(**module.EXAMPLE).items():
        np.testing.assert_allclose(np.asarray(printed[0][key], float), np.asarray(value, float), atol=1e-6, err_msg=key)


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_lesson_opens(name, language):
    app = lesson(name, language)
    assert not app.error and app.header[0].value == LESSONS[name].TITLE[language]
    assert bool(re.search("[가-힣]", app.subheader[0].value)) == (language == "ko")


NONSENSE = st.one_of(
    st.sampled_from(
        ["", ";", "nan", "inf", "-1e99", "1e400", "1;2 3", "²", "１", "0x10", "1_0", "$x$", "9" * 400, "0", "-3"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.lists(st.floats(width=32), max_size=8).map(lambda numbers: " ".join(map(str, numbers))),
)


def keys_of(app: AppTest, *kinds: str) -> list[str]:
    return [field.key for kind in kinds for field in getattr(app, kind) if "." in (field.key or "")]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if number else []) for number, name in enumerate(LESSONS)]
)
@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(data=st.data())
def test_nonsense_in_the_address_or_a_field_gives_a_sentence(name, data):
    """The page stands: no traceback, at most a red box with one sentence."""
    app = lesson(name)
    kinds = ("text_input", "number_input", "slider", "button_group", "selectbox", "text_area")
    names = [key.partition(".")[2].removesuffix("-en") for key in keys_of(app, *kinds)]
    app = lesson(name, **{key: data.draw(NONSENSE, label=key) for key in names if data.draw(st.booleans())})
    for kind in ("text_input", "text_area"):
        for key in keys_of(app, kind):
            if key in keys_of(app, kind):  # an error may have hidden it
                getattr(app, kind)(key=key).set_value(data.draw(NONSENSE, label=key)).run()
                assert not app.exception, app.exception
                assert all(re.search("[.]$", error.value) for error in app.error), app.error


@settings(max_examples=300, deadline=None)
@given(NONSENSE, st.integers(1, 3), st.integers(1, 3))
def test_a_matrix_is_read_or_refused_in_a_sentence(text, rows, columns):
    try:
        matrix = lessons.matrix_of(text, "W", rows, columns)
    except UserError as error:
        assert str(error).startswith("W: ") and str(error).endswith(".")
    else:
        assert matrix.shape == (rows, columns) and np.isfinite(matrix).all()


@pytest.mark.parametrize("text", ["9" * 400, "nan", "inf", "-1", "1.5", "0", "1e3", "٣"])
def test_a_number_in_the_address_that_its_field_does_not_allow(text):
    app = lesson("batches", samples=text)
    assert app.number_input(key="batches.samples").value == 2000 and "batches.samples" not in app.query_params


def test_an_unknown_lesson_in_the_address_opens_the_first():
    assert lesson("nothing").header[0].value == LESSONS["perceptron"].TITLE["en"]


def test_the_address_keeps_what_was_changed_until_the_lesson_is_left():
    app = lesson("perceptron")
    app.text_input[0].set_value("1 1 1").run()
    app.selectbox[0].set_value(list(LESSONS)[-1]).run()
    assert app.query_params["lesson"] == list(LESSONS)[-1]
    assert not [key for key in app.query_params if key.startswith("perceptron.")]


def test_the_page_needs_no_tensorflow_until_keras_is_asked():
    script = (
        "import sys\n"
        "from apps import laboratory\n"
        "from streamlit.testing.v1 import AppTest\n"
        "for name in laboratory.all_lessons():\n"
        "    app = AppTest.from_file('apps/laboratory.py', default_timeout=60)\n"
        "    app.query_params['lesson'] = name\n"
        "    assert not app.run().exception\n"
        "assert not {'tensorflow', 'keras', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "app.toggle(key=f'{name}.keras').set_value(True).run(timeout=120)\n"
        "assert not app.exception and not app.error and 'keras' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", LESSONS)
def test_a_change_is_answered_at_once(name):
    app = lesson(name)
    shared.freeze()  # TensorFlow's objects of other tests
    seconds = []
    for _ in range(5):
        began = time.process_time()  # the machine may compute something else beside it
        app.run()
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.3


@pytest.fixture(scope="module")
def opened():
    """Function that opens an address of the laboratory in a headless Chromium."""
    if executable() is None:
        pytest.skip("no Chromium: install one, or run `python -m playwright install chromium`")
    with browser() as chromium, served("apps/laboratory.py", ROOT / "no-runs") as address:

        def open_page(query: str, width: int = 1000, scheme: str = "light"):
            page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.set_default_timeout(120_000)
            page.goto(f"{address}/?{query}")
            settle(page)
            return page

        yield open_page


def has_no_error(page) -> bool:
    return not page.get_by_test_id("stException").count() and not page.get_by_test_id("stAlertContentError").count()


# What a visitor can change or open: the part of each of Streamlit's elements that the keyboard reaches.
PARTS = (
    "stTextInput",
    "stNumberInput",
    "stSlider",
    "stCheckbox",
    "stButtonGroup",
    "stSelectbox",
    "stButton",
    "stExpander",
)
NUMBER_THEM = """() => {
    const parts = PARTS.map(id => `[data-testid=stMain] [data-testid=${id}] :is(input, button, summary, [role=slider])`);
    const all = [...document.querySelectorAll(parts.join())].filter(part => part.tabIndex >= 0 && !part.disabled);
    // The arrow keys move inside a group of buttons. The tools of a chart are no part of the lesson.
    const own = all.filter(part => !part.previousElementSibling?.closest("[role=radio]") && part.checkVisibility());
    own.filter(part => !part.closest("[data-testid=stElementToolbar]")).forEach((part, n) => part.dataset.number = n);
    return document.querySelectorAll("[data-number]").length;
}""".replace("PARTS", str(list(PARTS)))


def reached_by_tab(page) -> tuple[int, int]:
    """How many fields and buttons of the lesson the Tab key reaches, and how many there are."""
    count, reached = page.evaluate(NUMBER_THEM), set()
    for _ in range(3 * count + 40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.number"))
    return len(reached - {None}), count


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize("language, scheme", [("en", "dark"), ("ko", "light")])
def test_a_lesson_in_a_browser(opened, name, language, scheme):
    """Every chart is drawn (Vega draws nothing where it meets a fault), on a phone nothing is wider, keys reach all."""
    page = opened(f"lesson={name}&language={language}", 390, scheme)
    page.get_by_text({"en": "Answer", "ko": "답"}[language], exact=True).wait_for()  # the end of the page
    charts = page.get_by_test_id("stVegaLiteChart")
    for place in range(charts.count()):
        charts.nth(place).locator("canvas, svg").first.wait_for(state="attached")  # some are folded away
    assert has_no_error(page)
    inner, outer = (
        page.get_by_test_id("stMain").evaluate(f"part => part.{side}Width") for side in ("scroll", "client")
    )
    assert inner <= outer <= 390
    ground = page.get_by_test_id("stApp").evaluate("part => getComputedStyle(part).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) == (scheme == "dark"), ground
    reached, count = reached_by_tab(page)
    assert reached == count > 2
    page.close()


def test_a_click_on_a_cell(opened):
    """The result of lesson 2 has 4 rows and 2 columns: a click on the last cell shows its row and its column."""
    page = opened("lesson=weighted_sums")
    chart = page.get_by_test_id("stVegaLiteChart").first.locator("canvas, svg").first
    chart.wait_for()
    box = chart.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.85 * box["height"])
    page.get_by_text("Sample 4").wait_for()
    assert "weighted_sums.cell-row=4" in page.url and "weighted_sums.cell-column=2" in page.url and has_no_error(page)
    page.close()


def test_the_playground_on_points_that_are_clicked(opened):
    large = (
        "playground.layers=5&playground.units=64&playground.batch=1"  # trains for seconds, so that Stop can be clicked
    )
    page = opened(
        f"lesson=playground&{large}&playground.data=own"
        "&playground.own=0.5+0.5+1%3B+-0.5+0.5+0%3B+0.4+-0.5+1%3B+-0.6+-0.5+0"
    )
    board = page.get_by_role("img", name="Click to add points.")
    box = board.bounding_box()
    board.click(position={"x": 0.25 * box["width"], "y": 0.25 * box["height"]})
    # A pixel is 0.006 wide.
    expect(page.get_by_label("Points: x y class; …")).to_have_value(
        re.compile(r"-0\.5 0; -0\.(49|50|51) 0\.(49|50|51) 0$")
    )
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Train", exact=True).wait_for()
    settle(page)
    assert int(page.get_by_test_id("stMetricValue").first.inner_text()) > 0 and has_no_error(page)
    page.close()


# The numbers of the lectures, a lesson after the other.


def test_perceptron():
    from apps.lessons.l01_perceptron import CORNERS, GATES, compute, learn, two_layers

    x, w = np.array([4, 3, 2]), np.array([1, 2, 3])
    assert compute(x, w, 15) == {"z": 16, "y": 1} and compute(x, w, 16) == {"z": 16, "y": 0}
    for gate in ("AND", "OR", "NAND"):
        assert [row["y"] for row in learn(GATES[gate], 40)[-4:]] == GATES[gate]
    assert [row["y"] for row in learn(GATES["XOR"], 400)[-4:]] != GATES["XOR"]
    assert two_layers(CORNERS)[:, 2].tolist() == GATES["XOR"]


def test_weighted_sums():
    from apps.lessons.l02_weighted_sums import EXAMPLE, TARGET, compute, mixture

    y, columns = compute(**EXAMPLE).values()
    w1, w3, w5 = EXAMPLE["w"][:, 0]
    assert y[0, 0] == 4 * w1 + 3 * w3 + 2 * w5
    assert y.tolist() == [[23, 32], [34, 46], [22, 30], [19, 26]] and columns.tolist() == y.T.tolist()
    np.testing.assert_allclose(mixture(np.array([0.2, 0.6, 0.4])), TARGET)
    assert ((mixture(np.array([0.5, 0.5, 0.5])) - TARGET) ** 2).sum() > 0.01, "the taps start where the colour is wrong"


@pytest.mark.parametrize("function", LESSONS["activations"].FORMULAS)
def test_activations(function):
    """Every function and its derivative as in Keras; and a stack of ten."""
    from apps.lessons.l04_activations import EXAMPLE, compute, keras, stack

    values = {**EXAMPLE, "function": function, "x": np.array([-30.0, -3.0, -0.3, 0.4, 2.0, 30.0])}
    ours, theirs = compute(**values), keras(**values)
    for name in ("y", "dy", "p", "dp"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-5, err_msg=name)
    _, slopes = stack("sigmoid", np.linspace(-3, 3, 61), 1.0)
    assert 0 < slopes[10].max() <= 0.25**10
    assert f"{0.25**10:.8f}" in LESSONS["activations"].ANSWER["en"]
    np.testing.assert_array_equal(stack("relu", np.array([2.0]), 1.0)[1], 1)


def test_one_step_of_learning():
    """The derivatives by hand equal differences of E; zeros keep the hidden units equal; the end is reached."""
    from apps.lessons.l05_one_step import CORNERS, END, EXAMPLE, XOR, compute, start, train

    step = compute(**EXAMPLE)
    for name in ("w", "b", "v", "c"):
        change = np.zeros_like(np.asarray(EXAMPLE[name], float))
        change.flat[0] = 1e-6
        up = compute(**{**EXAMPLE, name: EXAMPLE[name] + change})["E"]
        down = compute(**{**EXAMPLE, name: EXAMPLE[name] - change})["E"]
        assert np.ravel(step[f"dE/d{name}"])[0] == pytest.approx((up - down) / 2e-6, rel=1e-5)
        new = EXAMPLE[name] - EXAMPLE["rate"] * step[f"dE/d{name}"]
        np.testing.assert_allclose(step[f"new {name}"], new)
    one = train(start("given", 0), EXAMPLE["x"][None], np.array([1.0]), 0.5, 1)[0]
    np.testing.assert_allclose(one[0], step["new w"])
    (w, b, _, _), errors = train(start("zeros", 0), CORNERS, XOR, 4.0, 1500)
    assert (w[:, 0] == w[:, 1]).all() and b[0] == b[1] and min(errors) > 0.1249
    errors = train(start("given", 0), EXAMPLE["x"][None], np.array([1.0]), 0.5, 20_000, END)[1]
    assert len(errors) < 20_000 and errors[-1] < 1.01 * END


def test_learning_rate():
    """On the parabola: 0.5 is there in one step, 1 jumps to and fro, more runs away; every case as in Keras."""
    from apps.lessons.l06_learning_rate import FAR, compute, keras

    assert compute("parabola", 2.0, 0.5, 3)["w"].tolist() == [2, 0, 0, 0]
    assert compute("parabola", 2.0, 1.0, 3)["w"].tolist() == [2, -2, 2, -2]
    assert abs(compute("parabola", 2.0, 3.0, 100)["w"][-1]) > FAR
    for values in (("parabola", 2.0, 0.1, 20), ("parabola", -1.0, 3.0, 100), ("valleys", -2.5, 0.2, 20)):
        np.testing.assert_allclose(compute(*values)["w"], keras(*values)["w"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("optimiser", LESSONS["optimisers"].RULES)
@pytest.mark.parametrize("surface", LESSONS["optimisers"].SURFACES)
def test_the_path_of_an_optimiser_is_that_of_keras(surface, optimiser):
    from apps.lessons.l07_optimisers import STARTS, compute, gradient, height, keras

    start = np.array(STARTS[surface])
    values = {
        "surface": surface,
        "start": start,
        "optimiser": optimiser,
        "rate": 0.1,
        "steps": 25,
        "noise": 0.3,
        "seed": 3,
    }
    np.testing.assert_allclose(compute(**values)["path"], keras(**values)["path"], atol=1e-5, rtol=1e-5)
    at, small = np.array([-1.3, 0.7]), 1e-6
    for place in range(2):
        far = small * np.eye(2)[place]
        slope = (height(surface, *(at + far)) - height(surface, *(at - far))) / (2 * small)
        assert gradient(surface, at)[place] == pytest.approx(slope, rel=1e-6)


def test_batches():
    """The lecture's four iterations; a last batch that is smaller; noise by the root of the batch's size."""
    from apps.lessons.l08_batches import EXAMPLE, compute, gradients, keras

    assert compute(**{**EXAMPLE, "epochs": 1})["iterations"] == 4
    values = {**EXAMPLE, "samples": 100, "batch": 32}
    ours, theirs = compute(**values), keras(**values)
    assert ours["iterations"] == theirs["iterations"] == 8
    np.testing.assert_allclose(ours["end"], theirs["end"], atol=1e-5)
    spread = [gradients(size, 2000, 0).std(axis=0) for size in (1, 100)]
    np.testing.assert_allclose(spread[0] / spread[1], 10, rtol=0.1)


def test_dropout():
    from apps.lessons.l10_dropout import EXAMPLE, compute, masks

    kept = compute(**EXAMPLE)["kept"]
    np.testing.assert_allclose(kept, EXAMPLE["h"] / 0.3)
    drawn = masks(10, 0.7, 100_000, 0)
    assert drawn.mean() == pytest.approx(0.3, abs=0.005) and set(np.unique(drawn)) == {0, 1}
    np.testing.assert_allclose((drawn * kept).mean(axis=0), EXAMPLE["h"], atol=0.05)


def test_tensors():
    from apps.lessons.l03_tensors import compute, examples

    ranks = {name: compute(x)["rank"] for name, x in examples().items()}
    assert ranks == {"number": 0, "row": 1, "sentence": 1, "grey": 3, "colour": 3, "film": 4}
    assert compute(examples()["film"])["batch"] == (32, 4, 8, 8, 3)
    assert examples()["sentence"][:3].tolist() == [116, 104, 101]
    for kind in (*ranks, "own"):
        assert not lesson("tensors", kind=kind).error
    assert not lesson("tensors", kind="sentence", sentence="안녕 🙂").error


def trained_playground(epochs: int, **knobs):
    """The losses (epochs, 2) of training and test points, as the page trains."""
    from apps.lessons import l09_playground as playground

    setting = playground.OVERFIT | {"seed": 0} | knobs
    splits = [
        playground.points(setting["data"], count, setting["noise"], seed)
        for count, seed in ((setting["points"], 0), (300, 10_000))
    ]
    learner = playground.new_learner(setting)
    for _ in range(epochs):
        playground.train_epoch(learner, *splits[0], setting)
        playground._note_losses(learner, setting, *splits)
    return np.array(learner["losses"])


def test_overfitting_is_seen_and_cured():
    train, test = trained_playground(200).T
    assert train[-1] < 0.1 and test[-1] > 2 * test.min(), "the page's button shows over-fitting"
    for cure in ({"points": 400, "batch": 40}, {"l2": 0.01}, {"dropout": 0.5}):
        assert trained_playground(200, **cure)[-1, 1] < 0.7 * test[-1], cure


def test_the_playground_computes_the_gradients_of_its_loss():
    from apps.lessons import l09_playground as playground

    x, y = playground.points("spiral", 20, 0.1, 0)
    weights = playground.first_weights(2, 4, 1)

    def penalised(kernel):
        changed = [kernel, *weights[1:]]
        return playground.loss(playground.forward(changed, x, "silu")[0], y) + 0.1 * sum(
            (w**2).sum() for w in changed[::2]
        )

    slopes = playground.gradients(weights, x, y, "silu", 0.1, 0.0, None)
    change = np.zeros((2, 4))
    change[1, 2] = 1e-6
    slope = (penalised(weights[0] + change) - penalised(weights[0] - change)) / 2e-6
    assert slopes[0][1, 2] == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "1 to 3000 numbers"),
        ("x,y,class", "1 to 3000"),
        ("1,2\n3,4", "each row needs 3"),
        ("1,2,0\n1,2", "different lengths"),
        ("1,2,0\n1,b,1", "“b” is not a number"),
        ("1,2,5", "class must be 0 or 1"),
        ("\ufffdPNG", "not a number"),
        ("1,2,0\n" * 1001, "1 to 3000"),
    ],
)
def test_a_csv_of_points_is_refused_in_a_sentence(text, message):
    from apps.lessons.l09_playground import read_points

    with pytest.raises(UserError, match=f"^points.csv: .*{message}.*[.]$"):
        read_points(text, "points.csv")


def test_a_csv_of_points():
    from apps.lessons.l09_playground import read_points

    for text in (
        "x,y,class\n0,10,0\n4,20,1\n2,15,1\n",
        "0;10;0\r\n4;20;1\r\n2;15;1",
        "\ufeffx,y,c\n0 10 0\n4 20 1\n2 15 1",
    ):
        x, y = read_points(text, "points.csv")
        assert x.tolist() == [[-1, -1], [1, 1], [0, 0]] and y.tolist() == [0, 1, 1]


def test_the_playground_trains_and_stops_on_own_points():
    own = "; ".join(f"{x} {y} {int(x * y < 0)}" for x in (-0.8, -0.4, 0.4, 0.8) for y in (-0.7, -0.3, 0.3, 0.7))
    app = lesson("playground", data="own", own=own)
    assert app.metric[0].value == "0"
    app.button(key="playground.train").click().run()
    assert int(app.metric[0].value) > 0 and not app.error
    app.button(key="playground.train").click().run()
    epoch = app.metric[0].value
    assert app.run().metric[0].value == epoch, "it has stopped"
    app.button(key="playground.experiment4").click().run()
    assert not app.exception and app.metric[0].value == "0" and app.query_params["playground.data"] == "spiral"
    app = lesson("playground", data="own", own="0 0 0; 0 1 0")
    assert "4 points" in app.error[0].value
