"""Writing translations: words per second of our compiled loop, of the naive loop and of PyTorch, measured in turn.

    python -m benchmarks.decoding [--models attention transformer] [--rounds 5]

Random weights, 64 sentences of 16 words, vocabularies of 8,000 words, translations of exactly 16 words, all cores. A
greedy search takes the likeliest word each time; a beam of 5 keeps five translations of each sentence.
`naive`: greedy, `model.predict` of the whole translation so far for every word, with Keras' own layers.
`PyTorch`: greedy, one step at a time without gradients. The attention model is a GRU with its state carried along; the
transformer is `nn.Transformer`, which keeps no keys and values and so reads the translation so far again.
`CTranslate2`: a transformer of the same sizes in that engine, greedy and with a beam of 5, for orientation.
Compilation is not counted; `first call` says how long it takes. PyTorch and CTranslate2 are left out where they are not
installed (`pip install -e ".[bench]"`).
"""

import argparse
import math
import os
import platform
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.timing import seconds
from projects.translation.config import Config

ROWS, WORDS, VOCABULARY, BEAM = 64, 16, 8000, 5
START, FIRST = 2, 4  # ids of <bos> and of the first word
CONFIGS = {
    "attention": Config(model="attention", units=256, embedding=256),
    "transformer": Config(model="transformer", units=128, layers=4),
}


def keras_model(config: Config) -> Any:
    """The model of the project, which never writes <eos>: every translation has the same number of words."""
    from common.inputs.vocabulary import Vocabulary
    from projects.translation.model import build_model

    words = {"vocabulary": Vocabulary(map(str, range(VOCABULARY - FIRST)), bos=True, eos=True).to_json()}
    return build_model(config, {"source": words, "target": words})


def ours(config: Config, source: np.ndarray, beam: int) -> Callable[[], None]:
    """A function that translates all sentences."""
    from common.layers import decoding, writer
    from common.layers.speed import speed_up

    model = speed_up(keras_model(config))
    networks = {name: model.get_layer(name) for name in ("encoder", "decoder")}
    writer.unwritten = lambda size: np.where(np.arange(size) <= decoding.STOP, -1e9, 0.0).astype("float32")
    return lambda: writer.write(networks, source, beam, WORDS)


def naive(config: Config, source: np.ndarray) -> Callable[[], None]:
    """The common simple loop: it reads sentence and translation again for every word."""
    model = keras_model(config)

    def run() -> None:
        target = np.full((ROWS, 1), START, "int32")
        for _ in range(WORDS):
            logits = model.predict({"source": source, "target": target}, verbose=0)[:, -1]
            new = logits[:, FIRST:].argmax(axis=1) + FIRST
            target = np.concatenate([target, new[:, None].astype("int32")], axis=1)

    return run


def pytorch(config: Config, source: np.ndarray) -> Callable[[], None]:
    """The same networks in PyTorch, one step after the other."""
    import torch
    from torch import nn

    ids, width = torch.from_numpy(source.astype("int64")), config.units
    embeddings = [nn.Embedding(VOCABULARY, config.embedding if config.model == "attention" else width) for _ in "ab"]
    logits = nn.Linear(width, VOCABULARY)

    def attention() -> Callable[[], None]:
        encoder = nn.GRU(config.embedding, width // 2, batch_first=True, bidirectional=True)
        decoder = nn.GRU(config.embedding, width, batch_first=True)
        query, attentional = nn.Linear(width, width, bias=False), nn.Linear(2 * width, width)

        def run() -> None:
            memory, state = encoder(embeddings[0](ids))
            state, word = torch.cat([state[0], state[1]], dim=-1)[None], torch.full((ROWS, 1), 2)
            for _ in range(WORDS):
                x, state = decoder(embeddings[1](word), state)
                weights = torch.softmax(query(x) @ memory.transpose(1, 2) / math.sqrt(width), dim=-1)
                x = torch.tanh(attentional(torch.cat([weights @ memory, x], dim=-1)))
                word = logits(x).argmax(dim=-1)

        return run

    def transformer() -> Callable[[], None]:
        network = nn.Transformer(
            width, config.heads, config.layers, config.layers, 4 * width, 0.0, batch_first=True, norm_first=True
        ).eval()

        def run() -> None:
            memory = network.encoder(embeddings[0](ids))
            words = torch.full((ROWS, 1), 2)
            for _ in range(WORDS):
                mask = nn.Transformer.generate_square_subsequent_mask(words.shape[1])
                x = network.decoder(embeddings[1](words), memory, tgt_mask=mask, tgt_is_causal=True)
                words = torch.cat([words, logits(x[:, -1:]).argmax(dim=-1)], dim=1)

        return run

    run = {"attention": attention, "transformer": transformer}[config.model]()
    return lambda: torch.inference_mode()(run)()


def ctranslate2(config: Config, source: np.ndarray, beam: int) -> Callable[[], None]:
    """A transformer of the same sizes in CTranslate2, with random weights."""
    import tempfile

    from ctranslate2 import Translator
    from ctranslate2.specs import TransformerSpec

    random, units = np.random.default_rng(0), config.units
    spec = TransformerSpec.from_config(config.layers, config.heads, pre_norm=True)

    def dense(layer: Any, inputs: int, outputs: int) -> None:
        layer.weight = (random.normal(size=(outputs, inputs)) / math.sqrt(inputs)).astype("float32")
        layer.bias = np.zeros(outputs, "float32")

    def normal(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(units, "float32"), np.zeros(units, "float32")

    for side in (spec.encoder, spec.decoder):
        embeddings = side.embeddings if side is spec.decoder else side.embeddings[0]
        embeddings.weight = random.normal(size=(VOCABULARY, units)).astype("float32")
        normal(side.layer_norm)
        for layer in side.layer:
            looks = [layer.self_attention, *([layer.attention] if side is spec.decoder else [])]
            for look, widths in zip(looks, ((3 * units, units), (units, 2 * units, units)), strict=False):
                normal(look.layer_norm)
                for part, width in zip(look.linear, widths, strict=True):
                    dense(part, units, width)
            normal(layer.ffn.layer_norm)
            dense(layer.ffn.linear_0, units, 4 * units)
            dense(layer.ffn.linear_1, 4 * units, units)
    dense(spec.decoder.projection, units, VOCABULARY)
    words = ["<blank>", "<unk>", "<s>", "</s>", *map(str, range(VOCABULARY - 4))]
    spec.register_source_vocabulary(words)
    spec.register_target_vocabulary(words)
    spec.validate()
    with tempfile.TemporaryDirectory() as folder:
        spec.save(folder)
        translator = Translator(folder, device="cpu", intra_threads=os.cpu_count() or 1)
    texts = [[words[i] for i in row] for row in source]
    options = {"beam_size": beam, "min_decoding_length": WORDS, "max_decoding_length": WORDS}
    return lambda: translator.translate_batch(texts, **options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    from common import cli

    cli.start_keras()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load at the start {os.getloadavg()[0]:.1f}\n")
    source = np.random.default_rng(0).integers(4, VOCABULARY, (ROWS, WORDS)).astype("int32")
    engines = {"PyTorch": "torch", "CTranslate2": "ctranslate2", f"CTranslate2 beam {BEAM}": "ctranslate2"}
    names = ["greedy", f"beam {BEAM}", "naive", *(name for name, package in engines.items() if find_spec(package))]
    print("| model | " + " | ".join(f"{name}, words/s" for name in names) + " | first call | greedy / naive |", end="")
    print(" greedy / PyTorch |" if "PyTorch" in names else "")
    print("|---|" + "---:|" * (len(names) + (3 if "PyTorch" in names else 2)))
    for name in args.models:
        config = CONFIGS[name]
        runs = {"greedy": ours(config, source, 1), f"beam {BEAM}": ours(config, source, BEAM)}
        runs["naive"] = naive(config, source)
        if "PyTorch" in names:
            runs["PyTorch"] = pytorch(config, source)
        for key, beam in (("CTranslate2", 1), (f"CTranslate2 beam {BEAM}", BEAM)):
            if key in names and name == "transformer":
                runs[key] = ctranslate2(config, source, beam)
        first = {key: seconds(run) for key, run in runs.items()}
        # A ratio compares two speeds of the same round: while the machine is slow it is slow for both.
        rounds = [{key: ROWS * WORDS / seconds(run) for key, run in runs.items()} for _ in range(args.rounds)]
        cells = [f"{np.median([speeds[key] for speeds in rounds]):,.0f}" if key in runs else "–" for key in names]
        cells.append(f"{first['greedy']:.1f} s")
        others = [key for key in ("naive", "PyTorch") if key in runs]
        cells += [f"{np.median([speeds['greedy'] / speeds[key] for speeds in rounds]):.1f}" for key in others]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
