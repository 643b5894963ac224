"""Damages data in the ways in which files get damaged, and in the ways in which attackers damage them."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

INTERESTING = (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\x00\x00\x00")
"""Numbers at which arithmetic goes wrong."""

TEXTS = (
    *("", " ", "-", "nan", "NaN", "inf", "-inf", "Infinity", "1e400", "-1e400", "1e308", "0x10", "1_000", "-1", "0"),
    *("1.5", "99999999999999999999", "1" * 400, "true", "null", "[]", "{}", "[bold]", "[/x]", ":smile:", "%s%n", "%d"),
    *("a" * 5000, "\x1b[2J", "a\nb", "a\rb", "\t", "\u0000", "é", "写真", "\u202e", "\U0001f600", "../../x", "'\"<&>;"),
)
"""Texts that programs mistake for something else."""

VALUES: tuple[Any, ...] = (
    *TEXTS,
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**63,
        2**64,
        10**30,
        -(10**30),
        0.5,
        -0.5,
        1e308,
        float("nan"),
        float("inf"),
    ),
    *([], {}, [[]], [None], {"": None}, [0] * 500, ["a"] * 40_000, [["a", 1]], {"a": {"b": {"c": []}}}),
)


def damage(data: bytes, random: Random) -> bytes:
    """Some bytes of a file damaged in one of many ways."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice(_WAYS)(data, random)
    return data


def _flip(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 2, 8, 40, 400)) if changed else 0):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _flip_header(data: bytes, random: Random) -> bytes:
    return _flip(data[:600], random) + data[600:]


def _truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _behead(data: bytes, random: Random) -> bytes:
    return data[random.randrange(len(data) + 1) :]


def _overwrite(data: bytes, random: Random) -> bytes:
    start, size = random.randrange(len(data) + 1), random.choice((1, 16, 512, 4096, 100_000))
    fill = random.choice((b"\x00", b"\xff", b"U"))
    return data[:start] + fill * len(data[start : start + size]) + data[start + size :]


def _number(data: bytes, random: Random) -> bytes:
    start = random.randrange(len(data) + 1)
    number = random.choice(INTERESTING)[: len(data[start : start + 4])]
    return data[:start] + number + data[start + 4 :]


def _insert(data: bytes, random: Random) -> bytes:
    start = random.randrange(len(data) + 1)
    return data[:start] + random.randbytes(random.choice((1, 3, 188, 5000))) + data[start:]


def _repeat(data: bytes, random: Random) -> bytes:
    start, size = random.randrange(len(data) + 1), random.choice((1, 188, 2048, 50_000))
    return data[: start + size] + data[start:]


def _swap(data: bytes, random: Random) -> bytes:
    one, other, size = random.randrange(len(data) + 1), random.randrange(len(data) + 1), random.choice((4, 188, 1024))
    one, other = min(one, other), max(one, other, min(one, other) + size)
    return data[:one] + data[other : other + size] + data[one + size : other] + data[one : one + size] + data[other:]


def _append(data: bytes, random: Random) -> bytes:
    return data + (data if random.random() < 0.5 else random.randbytes(1000))


_WAYS: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_flip, _flip, _flip_header, _flip_header, _number, _number, _number),
    *(_truncate, _behead, _overwrite, _overwrite, _insert, _repeat, _swap, _append),
)


def damage_value(value: Any, random: Random) -> Any:
    """A value of JSON in which one part, at any depth, is replaced, removed, added or wrapped."""
    places: list[Any] = [value] if isinstance(value, (dict, list)) and value else []
    for place in places:
        inside = place.values() if isinstance(place, dict) else place
        places += [each for each in inside if isinstance(each, (dict, list)) and each]
    if not places:
        return deepcopy(random.choice(VALUES))  # so that damage to it does not stay for the next input
    place = random.choice((*places[:3], random.choice(places)))  # most checks are at the top
    key = random.choice([*place] if isinstance(place, dict) else range(len(place)))
    way = random.randrange(6)
    if way == 0:
        del place[key]
    elif way == 1:
        place[key] = [place[key]]
    elif way == 2 and isinstance(place, dict):
        place[random.choice(TEXTS)] = place.pop(key)
    else:
        place[key] = deepcopy(random.choice(VALUES))
    return value


def damage_json(text: str, random: Random) -> bytes:
    """A JSON text with other values, too deep, or no longer JSON."""
    way = random.random()
    if way < 0.1:
        return damage(text.encode(), random)
    if way < 0.15:
        depth = random.choice((500, 3000, 200_000))
        return b'{"a":' + b"[" * depth + (b"]" * depth + b"}" if random.random() < 0.5 else b"")
    value = json.loads(text)
    for _ in range(random.choice((1, 1, 2, 5))):
        value = damage_value(value, random)
    written = json.dumps(value, ensure_ascii=random.random() < 0.5)
    return written.encode(errors="surrogatepass").replace(b"NaN", random.choice((b"NaN", b"1e400", b"-Infinity")))


def damage_csv(text: str, random: Random) -> bytes:
    """A table with other cells, rows or columns, or with damaged bytes."""
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(random.choice((1, 1, 2, 10))):
        row = random.choice(rows)
        way = random.randrange(8)
        if way == 0:
            rows.insert(random.randrange(len(rows)), [*row])
        elif way == 1 and len(rows) > 2:
            rows.remove(row)
        elif way == 2 and row:
            row.pop()
        elif way == 3:
            row.append(random.choice(TEXTS))
        elif row:
            row[random.randrange(len(row))] = random.choice(TEXTS)
    content = "\n".join(",".join(row) for row in rows).encode(errors="surrogatepass")
    return damage(content, random) if random.random() < 0.2 else content
