"""The named set `fight_clips`: a part of the surveillance camera fight dataset (Aktı et al. 2019)."""

from pathlib import Path

from common.data import Splits
from common.errors import UserError
from common.inputs.tables import as_texts, read_table, with_columns
from projects.video_labelling.config import Config
from projects.video_labelling.data import Clip, split_clips

HOME = "https://github.com/sayibet/fight-detection-surv-dataset"
RATE = 12.0  # a clip is 24 frames of about two seconds


def load_data(config: Config, data: str, data_dir: Path) -> Splits:
    """Splits of `fight_clips`: clips.csv (clip, label, source_id) and the frames <label>/<clip>/00.jpg ….

    The clips of one source video are joined into one film. No source video is in two splits.
    """
    folder = data_dir / "fight_clips"
    if not (folder / "clips.csv").is_file():
        raise UserError(f"clips.csv is not in {folder}. Put it there with the frames of the clips; see {HOME}.")
    table = with_columns(read_table(folder / "clips.csv"), ["clip", "label", "source_id"], folder / "clips.csv")
    names, labels, sources = (as_texts(table, column) for column in ("clip", "label", "source_id"))
    clips = [
        Clip(folder / label / name, [(0.0, float("inf"), label)], f"source {source}")
        for name, label, source in zip(names, labels, sources, strict=True)
    ]
    return split_clips(config, clips, True, "fight_clips", "Surveillance clips, fight or not", RATE, shown=False)
