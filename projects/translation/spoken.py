"""Dates, times and amounts as people write them in five languages; the built-in data is made of these.

Names and patterns are the CLDR's, through Babel. The spelled-out numbers are tables of our own, because Babel has none.
A form is a function from a value to a text. A value is a `datetime.date`, a minute of the day (0 to 1439), or an amount
in hundredths of a currency. No text stands for two values: a form without letters carries its locale, an hour from 1 to
12 carries the part of the day, and a year of two digits is one of 1970 to 2069.
"""

import datetime
from collections.abc import Callable
from typing import Any

FIRST_DAY, LAST_DAY = datetime.date(1970, 1, 1), datetime.date(2069, 12, 31)  # 70 is 1970 and 69 is 2069
LANGUAGES = {"en": "English", "ko": "Korean", "de": "German", "fr": "French", "es": "Spanish"}
LOCALES = {"en": ("en_US", "en_GB"), "ko": ("ko",), "de": ("de",), "fr": ("fr",), "es": ("es",)}

Form = Callable[[Any], str]


# Whole numbers below a million in words.

ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth",
}  # fmt: skip
GERMAN = (
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
).split()
GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
FRENCH = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit "
    "dix-neuf"
).split()
FRENCH_TENS = "vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt".split()
SPANISH = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
    "veintiocho veintinueve"
).split()
SPANISH_TENS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
SPANISH_HUNDREDS = (
    "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
).split()
KOREAN_HOURS = "한 두 세 네 다섯 여섯 일곱 여덟 아홉 열 열한 열두".split()


def english(n: int) -> str:
    """1234 -> one thousand two hundred thirty-four."""
    if n < 20:
        return ENGLISH[n]
    if n < 100:
        return ENGLISH_TENS[n // 10 - 2] + (f"-{ENGLISH[n % 10]}" if n % 10 else "")
    size, name = (1000, "thousand") if n >= 1000 else (100, "hundred")
    return f"{english(n // size)} {name}" + (f" {english(n % size)}" if n % size else "")


def german(n: int) -> str:
    """1234 -> eintausendzweihundertvierunddreißig."""
    if n < 20:
        return GERMAN[n]
    if n < 100:
        tens = GERMAN_TENS[n // 10 - 2]
        return f"{german(n % 10).removesuffix('s') if n % 10 == 1 else german(n % 10)}und{tens}" if n % 10 else tens
    size, name = (1000, "tausend") if n >= 1000 else (100, "hundert")
    # Only the 1 at the end of a number is "eins".
    whole = german(n // size)
    whole = whole.removesuffix("s") if whole.endswith("eins") else whole
    return whole + name + (german(n % size) if n % size else "")


def french(n: int) -> str:
    """1234 -> mille deux cent trente-quatre."""
    if n < 20:
        return FRENCH[n]
    if n < 100:
        tens, rest = FRENCH_TENS[n // 10 - 2], n % 20 if n >= 60 else n % 10
        if rest == 0:
            return tens + ("s" if n == 80 else "")
        return f"{tens}{' et ' if rest in (1, 11) and n < 80 else '-'}{FRENCH[rest]}"
    size, name = (1000, "mille") if n >= 1000 else (100, "cent")
    count = n // size
    whole = name if count == 1 else f"{french(count).removesuffix('s') if count == 80 else french(count)} {name}"
    if n % size == 0 and size == 100 and count > 1:
        whole += "s"
    return whole + (f" {french(n % size)}" if n % size else "")


def spanish(n: int) -> str:
    """1234 -> mil doscientos treinta y cuatro."""
    if n < 30:
        return SPANISH[n]
    if n < 100:
        return SPANISH_TENS[n // 10 - 3] + (f" y {SPANISH[n % 10]}" if n % 10 else "")
    if n == 100:
        return "cien"
    if n < 1000:
        return SPANISH_HUNDREDS[n // 100 - 1] + (f" {spanish(n % 100)}" if n % 100 else "")
    whole = "mil" if n // 1000 == 1 else f"{before_noun(spanish(n // 1000))} mil"
    return whole + (f" {spanish(n % 1000)}" if n % 1000 else "")


def before_noun(number: str) -> str:
    """A Spanish number that stands before a masculine noun: veintiún euros."""
    if number.endswith("veintiuno"):
        return number.removesuffix("uno") + "ún"
    return number.removesuffix("o") if number.endswith("uno") else number


def korean(n: int) -> str:
    """1234 -> 천이백삼십사; from ten thousand on in two words, 만 이천."""
    if n >= 10_000:
        head = "만" if n < 20_000 else korean(n // 10_000) + "만"
        return head + (f" {korean(n % 10_000)}" if n % 10_000 else "")
    if n == 0:
        return "영"
    digits = zip((1000, 100, 10, 1), ("천", "백", "십", ""), strict=True)
    return "".join(
        ("" if n // size % 10 == 1 and name else "일이삼사오육칠팔구"[n // size % 10 - 1]) + name
        for size, name in digits
        if n // size % 10
    )


def english_ordinal(n: int) -> str:
    """21 -> twenty-first."""
    head, dash, last = english(n).rpartition("-")
    return head + dash + (ORDINALS.get(last) or last + "th")


def suffixed(n: int) -> str:
    """21 -> 21st."""
    return f"{n}{'th' if 10 < n < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def german_ordinal(n: int) -> str:
    """21 -> einundzwanzigste, without its ending -r or -n."""
    irregular = {1: "erste", 3: "dritte", 7: "siebte", 8: "achte"}
    return irregular.get(n) or german(n) + ("te" if n < 20 else "ste")


def english_year(n: int) -> str:
    """2025 -> twenty twenty-five; 2005 -> two thousand five. `english` says the other name of a year from 2000 on."""
    return english(n) if 2000 <= n < 2010 else f"{english(n // 100)} {english(n % 100)}"


def german_year(n: int) -> str:
    """1984 -> neunzehnhundertvierundachtzig."""
    return german(n) if n >= 2000 else f"{german(n // 100)}hundert{german(n % 100)}"


# Forms.


def cldr_date(locale: str, length: str) -> Form:
    """A date as the CLDR writes it in a locale: full, long, medium or short."""

    def form(day: datetime.date) -> str:
        from babel.dates import format_date

        return with_locale(format_date(day, length, locale=locale), locale)

    return form


def cldr_time(locale: str) -> Form:
    """The short time of the CLDR."""

    def form(minute: int) -> str:
        from babel.dates import format_time

        return with_locale(format_time(datetime.time(*divmod(minute, 60)), "short", locale=locale), locale)

    return form


def cldr_amount(locale: str, currency: str, kind: str) -> Form:
    """An amount with the currency's sign ("standard") or its name ("name")."""

    def form(cents: int) -> str:
        from babel.numbers import format_currency

        return with_locale(format_currency(cents / 100, currency, locale=locale, format_type=kind), locale)

    return form


def with_locale(text: str, locale: str) -> str:
    """A text without letters, after the name of its locale: 3/4/25 is another day in Britain."""
    return text if any(map(str.isalpha, text)) else f"{locale}: {text}"


def name_of(kind: str, language: str, number: int) -> str:
    """The wide name of a month (1 to 12) or a weekday (0 is Monday)."""
    from babel import Locale

    return getattr(Locale(language), kind)["format"]["wide"][number]


def month(day: datetime.date, language: str) -> str:
    return name_of("months", language, day.month)


def weekday(day: datetime.date, language: str) -> str:
    return name_of("days", language, day.weekday())


def korean_month(n: int) -> str:
    return {6: "유월", 10: "시월"}.get(n, f"{korean(n)}월")


DATES: dict[str, list[Form]] = {
    "en": [
        lambda d: f"{month(d, 'en')} {english_ordinal(d.day)}, {english_year(d.year)}",
        lambda d: f"the {english_ordinal(d.day)} of {month(d, 'en')} {english_year(d.year)}",
        lambda d: f"{weekday(d, 'en')}, {month(d, 'en')} {suffixed(d.day)}, {d.year}",
        lambda d: f"{suffixed(d.day)} of {month(d, 'en')} {english(d.year) if d.year >= 2000 else d.year}",
        lambda d: f"{suffixed(d.day)} of {month(d, 'en')} {d.year}",
        lambda d: f"{d.day} {month(d, 'en')[:3]} '{d.year % 100:02d}",
        lambda d: f"{month(d, 'en')[:3]}. {suffixed(d.day)}, '{d.year % 100:02d}",
    ],
    "ko": [
        lambda d: f"{korean(d.year)}년 {korean_month(d.month)} {korean(d.day)}일",
        lambda d: f"{d.year}년 {korean_month(d.month)} {korean(d.day)}일 {weekday(d, 'ko')}",
        lambda d: f"{d.year % 100:02d}년 {d.month}월 {d.day}일",
        lambda d: f"{d.year}년{d.month}월{d.day}일({weekday(d, 'ko')[0]})",
    ],
    "de": [
        lambda d: f"der {german_ordinal(d.day)} {month(d, 'de')} {german_year(d.year)}",
        lambda d: f"am {german_ordinal(d.day)}n {month(d, 'de')} {d.year}",
        lambda d: f"{weekday(d, 'de')}, den {german_ordinal(d.day)}n {month(d, 'de')} {german_year(d.year)}",
        lambda d: f"{d.day}. {month(d, 'de')} '{d.year % 100:02d}",
    ],
    "fr": [
        lambda d: f"le {french(d.day) if d.day > 1 else 'premier'} {month(d, 'fr')} {french(d.year)}",
        lambda d: f"{weekday(d, 'fr')} {d.day if d.day > 1 else '1er'} {month(d, 'fr')} {french(d.year)}",
        lambda d: f"le {d.day if d.day > 1 else '1er'} {month(d, 'fr')} {d.year}",
    ],
    "es": [
        lambda d: f"{spanish(d.day)} de {month(d, 'es')} de {spanish(d.year)}",
        lambda d: f"el {weekday(d, 'es')} {d.day} de {month(d, 'es')} de {spanish(d.year)}",
        lambda d: f"el {d.day} de {month(d, 'es')} del {d.year}",
    ],
}
for _language, _locales in LOCALES.items():
    DATES[_language] += [cldr_date(_l, length) for _l in _locales for length in ("full", "long", "medium", "short")]


def part(minute: int, *parts: tuple[int, str]) -> str:
    """The part of the day: the text of the last entry (hour, text) that has begun."""
    return next(text for hour, text in reversed(parts) if minute // 60 >= hour)


def clock(minute: int) -> tuple[int, int, int]:
    """(hour from 1 to 12, minutes, the following hour from 1 to 12)."""
    hour = minute // 60
    return (hour - 1) % 12 + 1, minute % 60, hour % 12 + 1


def english_clock(minute: int) -> str:
    hour, past, following = clock(minute)
    names = {0: f"{english(hour)} o'clock", 15: f"quarter past {english(hour)}", 30: f"half past {english(hour)}"}
    names[45] = f"quarter to {english(following)}"
    near, base, word = (past, hour, "past") if past < 30 else (60 - past, following, "to")
    minutes = english(near) if near % 5 == 0 else f"{english(near)} minute{'s' if near > 1 else ''}"
    text = names.get(past) or f"{minutes} {word} {english(base)}"
    return f"{text} {part(minute, (0, 'in the morning'), (12, 'in the afternoon'), (18, 'in the evening'))}"


def english_digital(minute: int) -> str:
    hour, past, _ = clock(minute)
    spelled = english(hour) + ("" if past == 0 else f" oh {english(past)}" if past < 10 else f" {english(past)}")
    return f"{spelled} {'a.m.' if minute < 720 else 'p.m.'}"


def german_clock(minute: int) -> str:
    hour, past, following = clock(minute)
    here, there = german(hour), german(following)
    names = {0: f"{'ein' if hour == 1 else here} Uhr", 15: f"Viertel nach {here}", 30: f"halb {there}"}
    names[45] = f"Viertel vor {there}"
    if 20 < past < 40 and past != 30:
        text = f"{german(abs(past - 30))} {'vor' if past < 30 else 'nach'} halb {there}"
    else:
        text = f"{german(past)} nach {here}" if past < 30 else f"{german(60 - past)} vor {there}"
    day = part(minute, (0, "nachts"), (5, "morgens"), (12, "nachmittags"), (18, "abends"))
    return f"{names.get(past) or text} {day}"


def german_digital(minute: int) -> str:
    hour, past = divmod(minute, 60)
    return f"{'ein' if hour == 1 else german(hour)} Uhr" + (f" {german(past)}" if past else "")


def korean_clock(minute: int) -> str:
    hour, past, _ = clock(minute)
    text = f"{KOREAN_HOURS[hour - 1]} 시" + ("" if past == 0 else " 반" if past == 30 else f" {korean(past)} 분")
    return f"{'오전' if minute < 720 else '오후'} {text}"


def korean_before(minute: int) -> str:
    _, past, following = clock(minute)
    if past < 45 or following == 12:  # "before twelve" is in the other half of the day than twelve
        return korean_clock(minute)
    return f"{'오전' if minute < 720 else '오후'} {KOREAN_HOURS[following - 1]} 시 {korean(60 - past)} 분 전"


def french_hours(hour: int) -> str:
    return f"{french(hour)}{'e' if hour in (1, 21) else ''} heure{'s' if hour > 1 else ''}"


def french_clock(minute: int) -> str:
    hour, past, following = clock(minute)
    names = {0: "", 15: " et quart", 30: " et demie", 45: " moins le quart"}
    rest = names.get(past, f" {french(past)}" if past < 30 else f" moins {french(60 - past)}")
    day = part(minute, (0, "du matin"), (12, "de l'après-midi"), (18, "du soir"))
    return f"{french_hours(hour if past <= 30 else following)}{rest} {day}"


def spanish_clock(minute: int) -> str:
    hour, past, following = clock(minute)
    names = {0: "", 15: " y cuarto", 30: " y media", 45: " menos cuarto"}
    rest = names.get(past, f" y {spanish(past)}" if past < 30 else f" menos {spanish(60 - past)}")
    base = hour if past <= 30 else following
    day = part(minute, (0, "de la madrugada"), (6, "de la mañana"), (12, "de la tarde"), (20, "de la noche"))
    return f"{'la una' if base == 1 else f'las {spanish(base)}'}{rest} {day}"


def hours_and_minutes(pattern: str) -> Form:
    """A time of 24 hours in digits: "{h} Uhr {m:02d}"."""
    return lambda minute: pattern.format(h=minute // 60, m=minute % 60)


TIMES: dict[str, list[Form]] = {
    "en": [english_clock, english_digital, cldr_time("en_US"), cldr_time("en_GB")],
    "ko": [korean_clock, korean_before, hours_and_minutes("{h}시 {m}분"), cldr_time("ko")],
    "de": [german_clock, german_digital, hours_and_minutes("{h}.{m:02d} Uhr"), cldr_time("de")],
    "fr": [
        french_clock,
        lambda minute: french_hours(minute // 60) + (f" {french(minute % 60)}" if minute % 60 else ""),
        hours_and_minutes("{h} h {m:02d}"),
        hours_and_minutes("{h}h{m:02d}"),
    ],
    "es": [spanish_clock, hours_and_minutes("{h}:{m:02d} horas"), cldr_time("es")],
}


def amount_in_words(spell: Callable[[int], str], one: str, many: str, cent: str, cents: str, joint: str) -> Form:
    """Twelve euros and fifty cents. one, many: the currency's name; joint: what stands before the cents."""

    def form(value: int) -> str:
        whole, rest = divmod(value, 100)
        text = f"{spell(whole)} {one if whole == 1 else many}"
        return text + (f"{joint}{spell(rest)} {cent if rest == 1 else cents}" if rest else "")

    return form


def amount_in_digits(one: str, many: str, space: str, point: str, group: str) -> Form:
    """12.50 euros. space: between digits and name. point, group: the decimal sign, and that of the thousands."""

    def form(value: int) -> str:
        text = f"{value // 100:,}".replace(",", group) + (f"{point}{value % 100:02d}" if value % 100 else "")
        return f"{text}{space}{one if value == 100 else many}"

    return form


def korean_won(value: int) -> str:
    """12345.00 -> 1만 2345원."""
    high, low = divmod(value // 100, 10_000)
    return (f"{high}만" if high else "") + (" " if high and low else "") + (f"{low}" if low or not high else "") + "원"


def german_one(n: int) -> str:
    return "ein" if n == 1 else german(n)


def spanish_one(n: int) -> str:
    return before_noun(spanish(n))


# Language, currency, how numbers are spelled, one and many of it, one and many of its hundredths, what stands before
# these.
MONEY: list[tuple[str, str, Callable[[int], str], str, str, str, str, tuple[str, ...]]] = [
    ("en", "USD", english, "dollar", "dollars", "cent", "cents", (" and ", " ")),
    ("en", "GBP", english, "pound", "pounds", "penny", "pence", (" and ",)),
    ("en", "EUR", english, "euro", "euros", "cent", "cents", (" and ",)),
    ("ko", "USD", korean, "달러", "달러", "센트", "센트", (" ",)),
    ("de", "EUR", german_one, "Euro", "Euro", "Cent", "Cent", (" und ",)),
    ("de", "CHF", german_one, "Franken", "Franken", "Rappen", "Rappen", (" ",)),
    ("fr", "EUR", french, "euro", "euros", "centime", "centimes", (" et ", " ")),
    ("es", "EUR", spanish_one, "euro", "euros", "céntimo", "céntimos", (" con ",)),
    ("es", "MXN", spanish_one, "peso mexicano", "pesos mexicanos", "centavo", "centavos", (" con ",)),
]
# What stands between digits and a currency, the decimal sign, and the sign between thousands.
MARKS = {
    "en": (" ", ".", ","),
    "ko": ("", ".", ","),
    "de": (" ", ",", "."),
    "fr": (" ", ",", " "),
    "es": (" ", ",", "."),
}
AMOUNTS: dict[str, dict[str, list[Form]]] = {language: {} for language in LANGUAGES}
AMOUNTS["ko"]["KRW"] = [
    lambda value: f"{korean(value // 100)} 원",
    korean_won,
    amount_in_digits("원", "원", *MARKS["ko"]),
]
for _language, _currency, _spell, *_names, _joints in MONEY:
    AMOUNTS[_language][_currency] = [amount_in_words(_spell, *_names, _joint) for _joint in _joints]
    AMOUNTS[_language][_currency].append(amount_in_digits(*_names[:2], *MARKS[_language]))
for _language, _currencies in AMOUNTS.items():
    for _currency, _forms in _currencies.items():
        _forms += [cldr_amount(LOCALES[_language][0], _currency, kind) for kind in ("standard", "name")]


def forms(language: str, kind: str) -> list[tuple[str, Form]]:
    """(currency or "", form) of a kind: "date", "time" or "amount"."""
    if kind != "amount":
        return [("", form) for form in (DATES if kind == "date" else TIMES)[language]]
    return [(currency, form) for currency, forms in AMOUNTS[language].items() for form in forms]


def iso(kind: str, value: Any, currency: str = "") -> str:
    """2025-03-04, 14:35 or EUR 12.50. The won has no hundredths."""
    if kind == "date":
        return value.isoformat()
    if kind == "time":
        return f"{value // 60:02d}:{value % 60:02d}"
    return f"{currency} {value // 100}" + ("" if currency == "KRW" else f".{value % 100:02d}")
