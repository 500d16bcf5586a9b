"""Saved networks, opened with care: a `.keras` file may be damaged, or come from somebody else."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from common.errors import UserError

# The files in a .keras file.
MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
MAX_CONFIG_BYTES = 16 << 20
MAX_SIZE = 1 << 24  # the largest width or length in config.json; a larger one would exhaust the memory
IDENTIFIERS = {"shared_object_id", "seed"}  # numbers in config.json that are no sizes


def load_network(file: Path) -> Any:
    """The Keras model in a file, with `safe_mode`: no code in it runs. Raises UserError for what cannot be opened.

    Keras writes files without compression. One that is compressed could expand to any size, and is refused.
    """
    import keras

    if not zipfile.is_zipfile(file):
        raise UserError(f"{file} is damaged.")
    try:
        _check_sizes(file)
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except UserError:
        raise
    except Exception as error:  # a damaged or foreign file makes Keras and h5py raise nearly anything
        first_line = (str(error).splitlines() or [""])[0]
        reason = f"{type(error).__name__}: {first_line[:200]}"
        raise UserError(f"{file} cannot be opened as a Keras model ({reason}).") from None


def _check_sizes(file: Path) -> None:
    """Raise UserError when a file would expand to more than it is."""
    import h5py

    with zipfile.ZipFile(file) as archive:
        names = {entry.filename for entry in archive.infolist()}
        if names != MEMBERS or len(archive.infolist()) != len(MEMBERS):
            raise UserError(f"{file} is damaged: expected {', '.join(sorted(MEMBERS))} in it.")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise UserError(f"{file} is compressed; Keras writes its files without compression.")
        if archive.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
            raise UserError(f"{file} is damaged: its config.json has more than {MAX_CONFIG_BYTES:,} bytes.")
        config = json.loads(archive.read("config.json"), object_pairs_hook=_bounded)
        weights = archive.read("model.weights.h5")
    if not isinstance(config, dict):
        raise UserError(f"{file} is damaged: its config.json is no object.")
    sizes: list[int] = []

    def add_size(name: str, part: Any) -> None:
        if isinstance(part, h5py.Dataset):
            if part.compression or part.external or part.is_virtual:
                raise UserError(f"{file} is damaged: {name} is not stored plainly.")
            sizes.append(part.nbytes)

    with h5py.File(io.BytesIO(weights), "r") as stored:
        stored.visititems(add_size)
    if sum(sizes) > len(weights):
        raise UserError(f"{file} is damaged: its arrays are larger than the file.")


def _bounded(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose sizes are within MAX_SIZE."""
    for name, value in pairs:
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and name not in IDENTIFIERS and abs(number) > MAX_SIZE:
                raise ValueError(f"its config.json has {name} = {number}; at most {MAX_SIZE:,} is accepted")
    return dict(pairs)


def no_writer(networks: dict[str, Any]) -> str:
    """How networks are not an encoder with its decoder (see common/layers/writer.py); empty where they are."""
    if set(networks) != {"encoder", "decoder"}:
        return f"its networks are {', '.join(sorted(networks)) or 'none'}; expected decoder, encoder"
    encoder, decoder = networks["encoder"], networks["decoder"]
    if not all(isinstance(part, dict) for part in (encoder.output, decoder.input, decoder.output)):
        return "its networks are no encoder and decoder"
    if {"target", *encoder.output} - set(decoder.input) or "logits" not in decoder.output or not encoder.weights:
        return "its networks do not fit each other"
    return ""


def unlike(networks: dict[str, Any], expected: dict[str, tuple[list[tuple], list[tuple]]]) -> str:
    """How networks differ from {name: (shapes of the inputs, shapes of the outputs)}; empty where they do not."""
    if set(networks) != set(expected):
        return f"its networks are {', '.join(sorted(networks)) or 'none'}; expected {', '.join(sorted(expected))}"
    for name, wanted in expected.items():
        tensors = (networks[name].inputs, networks[name].outputs)
        reads, gives = ([tuple(tensor.shape) for tensor in some or []] for some in tensors)
        if (reads, gives) != wanted:
            return f"the network {name} reads {reads} and gives {gives}; expected {wanted[0]} and {wanted[1]}"
    return ""
