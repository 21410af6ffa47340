#!/usr/bin/env python3
"""Turns a static API file (uITRON4.0 4.11) into the kernel's tables: kernel_id.h and kernel_cfg.c.

    configure.py app.cfg OUTDIR

A file holds comments, #include or INCLUDE("\\"file\\""); (copied into kernel_cfg.c) and calls of APIS, each ending with
`;`. IDs are names, numbered by kind in the order of the file; values inside { } are C expressions of the included
headers. What is a plain number is checked here, all else by the C compiler, whose errors name the same lines. An error
names file and line and exits 1; nothing is written then.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ITRON = Path(__file__).resolve().parent / "include" / "itron.h"
CONSTANTS = {name: int(value, 0) for name, value in
             re.findall(r"^#define (\w+) (0x[0-9a-fA-F]+|\d+)u?\b", ITRON.read_text(), re.M)}  # fmt: skip


class Api(NamedTuple):
    """A static API: its kind, what comes before the { }, the values in the { } and the attributes it knows."""

    kind: str
    before: str
    values: str
    attributes: str = "TA_HLNG"


APIS = {
    "CRE_TSK": Api("task", "ID", "tskatr exinf task itskpri stksz stk", "TA_HLNG TA_ACT"),
    "DEF_TEX": Api("tex", "tskid", "texatr texrtn"),
    "CRE_SEM": Api("sem", "ID", "sematr isemcnt maxsem", "TA_TFIFO TA_TPRI"),
    "CRE_FLG": Api("flg", "ID", "flgatr iflgptn", "TA_TFIFO TA_TPRI TA_WSGL TA_WMUL TA_CLR"),
    "CRE_DTQ": Api("dtq", "ID", "dtqatr dtqcnt dtq", "TA_TFIFO TA_TPRI"),
    "CRE_MBX": Api("mbx", "ID", "mbxatr maxmpri mprihd", "TA_TFIFO TA_TPRI TA_MFIFO TA_MPRI"),
    "CRE_MPF": Api("mpf", "ID", "mpfatr blkcnt blksz mpf", "TA_TFIFO TA_TPRI"),
    "CRE_CYC": Api("cyc", "ID", "cycatr exinf cychdr cyctim cycphs", "TA_HLNG TA_STA"),
    "DEF_INH": Api("inh", "inhno", "inhatr inthdr"),
    "DEF_EXC": Api("exc", "excno", "excatr exchdr"),
    "ATT_INI": Api("att", "", "iniatr exinf inirtn"),
}
KINDS = [api.kind for api in APIS.values()]
CONTROL_BLOCKS = {"task": "TASK", "sem": "SEM", "flg": "FLG", "dtq": "DTQ", "mbx": "MBX", "mpf": "MPF", "cyc": "CYC"}
EITHER = [("TA_TFIFO", "TA_TPRI"), ("TA_WSGL", "TA_WMUL"), ("TA_MFIFO", "TA_MPRI")]
RANGES = {  # of values, by name: numbers, or constants of itron.h
    "itskpri": ("TMIN_TPRI", "TMAX_TPRI"),
    "stksz": ("256", "0x1000000"),
    "isemcnt": ("0", "TMAX_MAXSEM"),
    "maxsem": ("1", "TMAX_MAXSEM"),
    "dtqcnt": ("0", "65535"),
    "maxmpri": ("TMIN_MPRI", "TMAX_MPRI"),
    "blkcnt": ("1", "65534"),
    "blksz": ("1", "0x100000"),
    "cyctim": ("1", "TMAX_RELTIM"),
    "cycphs": ("0", "TMAX_RELTIM"),
    "inhno": ("0x40", "0xfe0"),
    "excno": ("0x40", "0xfe0"),
}
TOKEN = re.compile(r"\s+|#[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|\w+|.", re.S)
COMMENT = re.compile(r"(\"(?:\\.|[^\"\\\n])*\")|/\*.*?\*/|//[^\n]*", re.S)
CLOSES = {")": "(", "}": "{", "]": "["}


class ConfigError(Exception):
    """A mistake in the static API file; the text begins with file:line."""


class Token(NamedTuple):
    """A word of the file, where it begins in the text and in which line."""

    text: str
    start: int
    line: int


@dataclass
class Call:
    """One static API call: what is before its { } (ID or number), its values, and file:line."""

    api: str
    name: str
    values: dict[str, str]
    file: str
    line: int

    @property
    def here(self) -> str:
        """The beginning of an error."""
        return f"{self.file}:{self.line}: {self.api}"


@dataclass
class Config:
    """All calls of a file by kind, and its includes as lines of C."""

    includes: list[str] = field(default_factory=list)
    calls: dict[str, list[Call]] = field(default_factory=lambda: {kind: [] for kind in KINDS})


def number(text: str) -> int | None:
    """The value of a plain C number or a constant of itron.h, else None."""
    if match := re.fullmatch(r"(-?\s*(?:0[xX][0-9a-fA-F]+|[1-9]\d*|0))[uUlL]*", text):
        return int(match[1].replace(" ", ""), 0)
    return CONSTANTS.get(text)


class Parser:
    """Reads the calls of one text. Every method raises ConfigError."""

    def __init__(self, text: str, file: str) -> None:
        def blank(match: re.Match[str]) -> str:
            return match[1] or re.sub(r"[^\n]", " ", match[0])

        self.text = COMMENT.sub(blank, text)
        self.file = file
        found = TOKEN.finditer(self.text)
        self.tokens = [Token(m[0], m.start(), self.text.count("\n", 0, m.start()) + 1) for m in found if m[0].strip()]
        self.next = 0
        for before, token in zip(self.tokens, self.tokens[1:], strict=False):
            if (before.text, token.text) == ("/", "*") and token.start == before.start + 1:
                raise self.error(before, "the comment has no end")

    def error(self, token: Token, text: str) -> ConfigError:
        """An error at a token."""
        return ConfigError(f"{self.file}:{token.line}: {text}")

    def slice(self, tokens: list[Token]) -> str:
        """The text of consecutive tokens, on one line."""
        if not tokens:
            return ""
        return re.sub(r"\s*\n\s*", " ", self.text[tokens[0].start : tokens[-1].start + len(tokens[-1].text)])

    def parenthesis(self, api: Token) -> list[Token]:
        """The tokens between `(` behind an API's name and its `)`; the `;` is read as well."""
        begin = self.next
        open_: list[Token] = []
        while self.next < len(self.tokens):
            token = self.tokens[self.next]
            self.next += 1
            if token.text in CLOSES.values():
                open_.append(token)
            elif not open_:
                raise self.error(api, f"expected `(` after {api.text}, found `{token.text}`")
            elif token.text in CLOSES:
                opening = open_.pop()
                if opening.text != CLOSES[token.text]:
                    text = f"`{token.text}` does not close the `{opening.text}` of line {opening.line}"
                    raise self.error(token, text)
                if not open_:
                    if self.next == len(self.tokens) or self.tokens[self.next].text != ";":
                        raise self.error(token, f"expected `;` after {api.text}(...)")
                    self.next += 1
                    return self.tokens[begin + 1 : self.next - 2]
            elif token.text == ";":
                text = f"`;` inside {api.text}: the `{open_[-1].text}` of line {open_[-1].line} is open"
                raise self.error(token, text)
            elif token.text in "\"'":
                raise self.error(token, f"the text that {token.text} begins does not end in its line")
        if not open_:
            raise self.error(api, f"expected `(` after {api.text}, found the end of the file")
        raise self.error(api, f"the `{open_[-1].text}` of line {open_[-1].line} is not closed")

    def statements(self) -> Iterator[tuple[Token, list[Token]]]:
        """(name, tokens between its parentheses) of each call; an #include has no tokens."""
        while self.next < len(self.tokens):
            token = self.tokens[self.next]
            self.next += 1
            if token.text.startswith("#"):
                if not re.fullmatch(r'#\s*include\s*(<[^>]+>|"[^"]+")\s*', token.text):
                    raise self.error(token, f'`{token.text.strip()}`: of # only #include <file> or "file" is known')
                yield token, []
            elif not re.fullmatch(r"[A-Za-z_]\w*", token.text):
                raise self.error(token, f"expected a static API call at `{token.text}`")
            else:
                yield token, self.parenthesis(token)


def split(tokens: list[Token]) -> list[list[Token]]:
    """Parts of a comma-separated list, commas inside brackets not counted."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text in CLOSES.values()) - (token.text in CLOSES)
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def check_attribute(call: Call, text: str) -> None:
    """Names are those the API knows, and not two that exclude each other. Raises ConfigError."""
    api = APIS[call.api]
    known = ["TA_NULL", *api.attributes.split()]
    names = [part.strip(" ()") for part in text.split("|")]
    for name in names:
        if re.fullmatch(r"TA_\w+", name) and name not in known:
            raise ConfigError(f"{call.here} has no attribute {name}; it has {', '.join(known[1:])}")
    for pair in EITHER:
        if set(pair) <= set(names):
            raise ConfigError(f"{call.here}: {pair[0]} and {pair[1]} exclude each other")
    value = number(text)
    if value is not None and value & ~sum({CONSTANTS[name] for name in known}):
        raise ConfigError(f"{call.here}: attribute {text} has bits that none of {', '.join(known[1:])} has")


def check_range(call: Call, name: str, text: str) -> None:
    """A plain number lies in its range. Raises ConfigError."""
    value = number(text)
    if name not in RANGES or value is None:
        return
    low, high = RANGES[name]
    first, last = (CONSTANTS.get(bound) or int(bound, 0) for bound in (low, high))
    if not first <= value <= last:
        raise ConfigError(f"{call.here}: {name} is {text}, not {low} to {high}{f' ({last})' * (high in CONSTANTS)}")
    if name in ("inhno", "excno") and value % 0x20:
        raise ConfigError(f"{call.here}: {name} is {text}, no multiple of 0x20")


def parse(text: str, file: str) -> Config:
    """The calls of a static API text. Raises ConfigError."""
    config = Config()
    parser = Parser(text, file)
    ids: dict[str, int] = {}  # line of each ID
    for word, tokens in parser.statements():
        if word.text.startswith("#"):
            config.includes.append(word.text.strip())
            continue
        if word.text == "INCLUDE":
            match = re.fullmatch(r'"(<[^<>"]+>|\\"[^"\\]+\\")"', parser.slice(tokens))
            if not match:
                raise parser.error(word, r'INCLUDE takes ("\"file\"") or ("<file>")')
            config.includes.append("#include " + match[1].replace('\\"', '"'))
            continue
        if word.text not in APIS:
            raise parser.error(word, f"unknown static API {word.text}; known are {', '.join(APIS)}, INCLUDE")
        api = APIS[word.text]
        outer = split(tokens)
        if (len(outer) != (2 if api.before else 1) or not outer[-1] or outer[-1][0].text != "{"
                or outer[-1][-1].text != "}"):  # fmt: skip
            raise parser.error(word, f"{word.text} takes ({api.before}{', ' if api.before else ''}{{ ... }})")
        values, wanted = split(outer[-1][1:-1]), api.values.split()
        if len(values) != len(wanted) or [] in values:
            raise parser.error(word, f"{word.text} takes {{ {', '.join(wanted)} }}, {len(wanted)} values")
        name = parser.slice(outer[0]) if api.before else ""
        call = Call(word.text, name, dict(zip(wanted, map(parser.slice, values), strict=True)), file, word.line)
        if api.before in ("ID", "tskid") and not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ConfigError(f"{call.here}: `{name}` is not a name for an ID")
        if api.before == "ID":
            if name in ids:
                raise ConfigError(f"{call.here}: {name} was defined in line {ids[name]} already")
            ids[name] = call.line
        check_attribute(call, call.values[wanted[0]])
        for value, expression in [(api.before, name), *call.values.items()]:
            check_range(call, value, expression)
        config.calls[api.kind].append(call)
    check_together(config)
    return config


def check_together(config: Config) -> None:
    """What no value alone shows. Raises ConfigError."""
    for call in config.calls["sem"]:
        initial, maximum = number(call.values["isemcnt"]), number(call.values["maxsem"])
        if initial is not None and maximum is not None and initial > maximum:
            raise ConfigError(f"{call.here}: isemcnt is {initial}, above maxsem, {maximum}")
    for call in config.calls["mbx"]:
        if call.values["mprihd"] != "NULL":
            raise ConfigError(f"{call.here}: mprihd is {call.values['mprihd']}, not NULL: the kernel needs no heads")
    tasks = {call.name for call in config.calls["task"]}
    for call in config.calls["tex"]:
        if call.name not in tasks:
            raise ConfigError(f"{call.here}: no CRE_TSK defines {call.name}")
    for kind, what in (("tex", "task"), ("inh", "interrupt"), ("exc", "exception")):
        seen: dict[str | int, int] = {}
        for call in config.calls[kind]:
            value = number(call.name)
            key = call.name if value is None else value
            if key in seen:
                raise ConfigError(f"{call.here}: {what} {call.name} has a handler from line {seen[key]} already")
            seen[key] = call.line


def ids_header(config: Config) -> str:
    """Text of kernel_id.h."""
    lines = ["/* Generated by configure.py. */", "#ifndef KERNEL_ID_H", "#define KERNEL_ID_H", ""]
    for kind in CONTROL_BLOCKS:
        lines += [f"#define {call.name} {i}" for i, call in enumerate(config.calls[kind], 1)]
    return "\n".join([*lines, "", "#endif", ""])


def asserts(call: Call) -> Iterator[str]:
    """C that holds what is no plain number to the same rules."""
    api = APIS[call.api]
    attribute, *_ = call.values.values()
    yield (f"_Static_assert((({attribute}) & ~({' | '.join(api.attributes.split())})) == 0, "
           f'"{call.api}: unknown attribute");')  # fmt: skip
    for name, expression in [(api.before, call.name), *call.values.items()]:
        if name in RANGES:
            low, high = RANGES[name]
            yield (f'_Static_assert(({expression}) + 0ll >= {low} && ({expression}) + 0ll <= {high}, '
                   f'"{call.api}: {name} out of range");')  # fmt: skip
    if call.api == "CRE_SEM":
        initial, maximum = call.values["isemcnt"], call.values["maxsem"]
        yield f'_Static_assert(({initial}) <= ({maximum}), "CRE_SEM: isemcnt above maxsem");'
    if call.api in ("DEF_INH", "DEF_EXC"):
        yield f'_Static_assert(({call.name}) % 0x20 == 0, "{call.api}: {api.before} no multiple of 0x20");'
    if call.api == "DEF_INH":
        yield f'_Static_assert(({call.name}) != INTNO_TMU3, "DEF_INH: TMU3 is the kernel\'s tick");'


def row(call: Call, texrtn: dict[str, str]) -> tuple[str, str]:
    """(memory to define, initialiser in its table) of a call."""
    v, name, memory = call.values, call.name, ""
    if call.api == "CRE_TSK":
        stack = v["stk"]
        if stack == "NULL":
            memory, stack = f"static UW stack_{name}[(({v['stksz']}) + 3) / 4];", f"stack_{name}"
        return memory, (f"{v['tskatr']}, (VP_INT)({v['exinf']}), {v['task']}, {v['itskpri']}, "
                        f"(({v['stksz']}) + 3) & ~3u, (char *)({stack}), {texrtn.get(name, 'NULL')}")  # fmt: skip
    if call.api == "CRE_DTQ":
        buffer = v["dtq"]
        if buffer == "NULL":
            memory, buffer = f"static VP_INT buffer_{name}[({v['dtqcnt']}) + 1];", f"buffer_{name}"
        return memory, f"{v['dtqatr']}, {v['dtqcnt']}, (VP_INT *)({buffer})"
    if call.api == "CRE_MPF":
        count, size, pool = v["blkcnt"], f"((({v['blksz']}) + 3) & ~3u)", v["mpf"]
        memory = (f'_Static_assert(({count}) * {size} <= 0x1000000, "CRE_MPF: pool above 16 MB");\n'
                  f"static UH next_{name}[{count}];")  # fmt: skip
        if pool == "NULL":
            memory += f"\nstatic UW pool_{name}[({count}) * ({size} / 4)];"
            pool = f"pool_{name}"
        reciprocal = f"(0xffffffffull + {size}) / {size}"
        return memory, f"{v['mpfatr']}, {count}, {size}, {reciprocal}, (char *)({pool}), next_{name}"
    if call.api == "CRE_MBX":
        return "", f"{v['mbxatr']}, {v['maxmpri']}"
    if call.api == "CRE_CYC":
        return "", f"{v['cycatr']}, (VP_INT)({v['exinf']}), {v['cychdr']}, {v['cyctim']}, {v['cycphs']}"
    if call.api in ("DEF_INH", "DEF_EXC"):
        return "", f"{name}, {list(v.values())[1]}"
    if call.api == "ATT_INI":
        return "", f"(VP_INT)({v['exinf']}), {v['inirtn']}"
    return "", ", ".join(v.values())


def tables(config: Config) -> str:
    """Text of kernel_cfg.c. #line makes the C compiler name the static API file."""
    out = ["/* Generated by configure.py. */", '#include "impl.h"', *config.includes, ""]
    texrtn = {call.name: call.values["texrtn"] for call in config.calls["tex"]}
    for kind, calls in config.calls.items():
        rows = []
        for call in calls:
            memory, entry = row(call, texrtn)
            for line in [*asserts(call), *memory.splitlines()]:
                out += [f'#line {call.line} "{call.file}"', line]
            rows += [f'#line {call.line} "{call.file}"', f"    {{{entry}}},"]
        if kind == "tex":
            continue
        if kind == "exc" or not rows:
            rows.append("    {0},")
        out += ["", f"const {kind.upper()}_INI {kind}_ini[] = {{", *rows, "};"]
        if kind in ("inh", "exc"):
            cases = [f'#line {call.line} "{call.file}"\n    case {call.name}:' for call in calls]
            out += [f"static inline void {kind}_once(UINT number) /* a number twice is an error of the C compiler */",
                    "{", "    switch (number) {", *cases, "    default:;", "    }", "}"]  # fmt: skip
        if kind != "exc":
            out.append(f"const INT {kind}_count = {len(calls)};")
        if kind in CONTROL_BLOCKS:
            out.append(f"{CONTROL_BLOCKS[kind]} {kind}_cb[{max(1, len(calls))}];")
    return "\n".join(out) + "\n"


def main(arguments: list[str]) -> int:
    """Command line; returns the exit code."""
    if len(arguments) != 2:
        print("usage: configure.py app.cfg OUTDIR", file=sys.stderr)
        return 2
    source, out = Path(arguments[0]), Path(arguments[1])
    try:
        config = parse(source.read_text(), source.name)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"configure.py: {source}: {error.strerror}", file=sys.stderr)
        return 2
    header, code = ids_header(config), tables(config)
    (out / "kernel_id.h").write_text(header)
    (out / "kernel_cfg.c").write_text(code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
