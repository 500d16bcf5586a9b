"""What a page calls a knob and its choices: in Korean with the name of the command line beside it."""

from apps import i18n


def name(project: str, knob: str) -> str:
    """A knob. In `terms.json`, "<project>.target" goes before "knob.target", and that before "target", as a column is called."""
    return _beside(knob.replace("_", " "), f"{project}.{knob}", f"knob.{knob}", knob)


def choice(value: object) -> str:
    """One of the values that a knob may have."""
    return _beside(str(value), f"choice.{value}", str(value))


def _beside(english: str, *keys: str) -> str:
    if i18n.language() == "en":
        return english
    spelt = next((i18n.TERMS[key] for key in keys if key in i18n.TERMS), english)
    korean = spelt if isinstance(spelt, str) else spelt[1]
    same = "".join(filter(str.isalnum, korean)).lower() == "".join(filter(str.isalnum, english)).lower()
    return korean if same else f"{korean} · {english}"
