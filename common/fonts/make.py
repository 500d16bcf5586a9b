"""How Hangul.ttf was made: `python common/fonts/make.py NanumGothic.ttf` (Debian's package fonts-nanum has that file).

It keeps the 2,350 syllables of KS X 1001 and the jamo, without hinting: 0.7 MB instead of 4.7. The licence (OFL.txt)
reserves the name Nanum for the unchanged font, so the subset has a name of its own.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

NAME = "Portfolio Hangul"
SYLLABLES = "".join(bytes([row, cell]).decode("euc_kr") for row in range(0xB0, 0xC9) for cell in range(0xA1, 0xFF))
JAMO = "".join(map(chr, [*range(0x3131, 0x318F), *range(0x1100, 0x1200)]))


def main(source: Path, target: Path) -> None:
    font = TTFont(source)
    options = subset.Options(hinting=False, glyph_names=False, layout_features=[], notdef_outline=True)
    options.drop_tables += ["TSI0", "TSI1", "TSI2", "TSI3", "TSI5", "kern", "gasp"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=" " + SYLLABLES + JAMO)
    subsetter.subset(font)
    for record in font["name"].names:
        if record.nameID in (1, 3, 4, 6):  # family, unique id, full name, PostScript name
            record.string = NAME.replace(" ", "") if record.nameID == 6 else NAME
    font.save(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("Hangul.ttf"))
