"""Tiny Shakespeare, the standard text of character models."""

from pathlib import Path

from common.data import Splits
from common.inputs.downloads import download
from common.inputs.text import read_text
from projects.char_rnn.config import Config
from projects.char_rnn.data import split_text

FILE = "tiny_shakespeare/input.txt"  # inside --data-dir
URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """The splits of `shakespeare`: the file in `data_dir`, or a download that is kept there."""
    path = download(URL, data_dir / FILE, SHA256)
    return split_text(config, read_text(path), data, "Tiny Shakespeare")
