"""The encoding of a text file, from its first bytes."""

import functools
import re
import sys
from pathlib import Path

HEAD = 1 << 16  # bytes that are looked at


def encoding_of(path: Path, head: bytes) -> str:
    """`utf-8-sig`, or UTF-16 or CP949 where that is certain: then it is said, once for each file.

    head: the first HEAD bytes.
    """
    encoding = _guessed(head)
    if encoding != "utf-8-sig":
        _say(path, encoding)
    return encoding


@functools.lru_cache(maxsize=100)
def _say(path: Path, encoding: str) -> None:
    print(f"{path} is read as {encoding.upper()}.", file=sys.stderr)


def _guessed(head: bytes) -> str:
    """CP949 is where nearly all of what is not ASCII would be Hangul.

    The 2,350 syllables of KS X 1001 count, because other encodings of Asia give the rarer ones of CP949.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):  # without a mark: half of the bytes of ASCII are zero
        zeros = [head[place::2].count(0) for place in (first, 1 - first)]
        odd = re.search("[\ufffd-\uffff]", head.decode(name, "replace")[:-1])  # no text holds these; the end may be cut
        if zeros[0] > 0.2 * len(head) / 2 and not zeros[1] and not odd:
            return name
    try:
        head[: len(head) - 3 if len(head) == HEAD else None].decode()  # the last character may be cut
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3 or len(head) < HEAD:
            korean = re.sub(r"[\x00-\x7f]", "", head.decode("euc_kr", "replace"))
            if len(re.findall("[가-힣]", korean)) > 0.9 * len(korean):
                return "cp949"
    return "utf-8-sig"
