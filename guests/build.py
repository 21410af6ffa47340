"""Builds the guests from source into a cache keyed by the content of their inputs.

    python -m guests.build NAME...        NAME: toolchain rtos linux linux-bare linux-r2d, or all

Each stage is a folder ``<cache>/<stage>-<key>`` whose key is the SHA-256 of the stage's inputs (recipe
files, versions, keys of the stages it uses). A stage that exists is not built again. Bytes do not depend
on when or where they are built. The cache is ``.cache/guests`` in the project, or $COSIM_CACHE.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CROSS = "sh4-linux-gnu-"
GCC = CROSS + "gcc-12"
EPOCH = "1700000000"
LINUX_TAR = Path("/usr/src/linux-source-6.1.tar.xz")
SOURCES = {"musl": "1.2.3-1", "busybox": "1:1.35.0-4+deb12u1", "stress": "1.0.7-1"}
GUESTS = ("rtos", "linux", "linux-bare", "linux-r2d")


class BuildError(Exception):
    """A stage failed; the text names the stage, the command and the log."""


@dataclass(frozen=True)
class Stage:
    """A built folder and the key that names it."""

    path: Path
    key: str


def cache() -> Path:
    """Folder of the cache."""
    return Path(os.environ.get("COSIM_CACHE", HERE.parent / ".cache" / "guests"))


def artefact(guest: str, file: str) -> Path:
    """Path of a built file, e.g. ``artefact("linux", "vmlinux")``. Raises BuildError if not built."""
    path = cache() / guest / file
    if not path.exists():
        raise BuildError(f"guest file {guest}/{file} is not built: run `cosim guests build {guest}`")
    return path


class Builder:
    """Builds stages once each, with a line of progress a stage."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.progress = progress
        self.done: dict[str, Stage] = {}
        self.env = dict(
            os.environ,
            SOURCE_DATE_EPOCH=EPOCH,
            KBUILD_BUILD_TIMESTAMP="@" + EPOCH,
            KBUILD_BUILD_USER="cosim",
            KBUILD_BUILD_HOST="cosim",
            KCONFIG_NOTIMESTAMP="1",
            LC_ALL="C",
            TZ="UTC",
        )
        for unwanted in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CC", "CFLAGS"):
            self.env.pop(unwanted, None)
        self.jobs = f"-j{os.cpu_count() or 1}"

    def build(self, name: str) -> Stage:
        """The built stage or guest."""
        if name not in self.done:
            recipe = RECIPES.get(name)
            if recipe is None:
                raise BuildError(f"no guest {name!r}: known are {', '.join(RECIPES)}")
            self.done[name] = recipe(self)
            link = cache() / name
            if link.is_symlink() or link.exists():
                link.unlink()
            link.symlink_to(self.done[name].path.name)
        return self.done[name]

    def stage(self, name: str, inputs: list[object], make: Callable[[Path, Path], None]) -> Stage:
        """Stage folder, made by ``make(work, out)`` unless a folder of the same key exists."""
        key = hashlib.sha256(repr([name, *map(_content, inputs)]).encode()).hexdigest()[:16]
        out = cache() / f"{name}-{key}"
        if out.exists():
            return Stage(out, key)
        started = time.monotonic()
        self.progress(f"{name}: building")
        work, fresh = cache() / f"work-{name}", cache() / f"new-{name}"
        for folder in (work, fresh):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.log = cache() / f"{name}.log"
        self.log.unlink(missing_ok=True)
        make(work, fresh)
        fresh.rename(out)
        shutil.rmtree(work, ignore_errors=True)
        self.progress(f"{name}: built in {time.monotonic() - started:.0f} s")
        return Stage(out, key)

    def run(self, *command: object, cwd: Path, stdin: str | None = None, **env: str) -> None:
        """Run a command with its output in the stage's log. Raises BuildError."""
        words = [str(word) for word in command]
        with self.log.open("ab") as log:
            log.write(("$ " + " ".join(words) + "\n").encode())
            log.flush()
            done = subprocess.run(
                words, cwd=cwd, env={**self.env, **env}, stdout=log, stderr=subprocess.STDOUT,
                input=None if stdin is None else stdin.encode(), check=False,
                stdin=subprocess.DEVNULL if stdin is None else None,
            )  # fmt: skip
        if done.returncode:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise BuildError(f"`{' '.join(words)}` failed ({done.returncode}); log {self.log}:\n{tail}")


def _content(item: object) -> object:
    if isinstance(item, Stage):
        return item.key
    if isinstance(item, Path):
        if item.is_dir():
            return [(str(p.relative_to(item)), _content(p)) for p in sorted(item.rglob("*")) if p.is_file()]
        return hashlib.sha256(item.read_bytes()).hexdigest()
    return item


def _compiler() -> str:
    if shutil.which(GCC) is None:
        raise BuildError(f"{GCC} is not installed: run guests/setup_host.sh")
    return subprocess.run([GCC, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def toolchain(b: Builder) -> Stage:
    """``cc``: the cross compiler with the plugin that mends it."""
    source = HERE / "toolchain" / "no_treg_combine.cc"

    def make(work: Path, out: Path) -> None:
        plugin = subprocess.run([GCC, "-print-file-name=plugin"], capture_output=True, text=True, check=True)
        include = Path(plugin.stdout.strip()) / "include"
        b.run("g++", "-O2", "-fPIC", "-fno-rtti", "-shared", f"-I{include}", source, "-o", out / "mend.so", cwd=work)
        wrapper = out / "cc"
        wrapper.write_text(f'#!/bin/sh\nexec {GCC} -fplugin="$(dirname "$0")/mend.so" "$@"\n')
        wrapper.chmod(0o755)

    return b.stage("toolchain", [source, _compiler(), 2], make)


def sources(b: Builder) -> Stage:
    """Debian source packages, fetched through an apt source list of the cache's own."""

    def make(work: Path, out: Path) -> None:
        listing = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)",
             "Created-By: Packages"], capture_output=True, text=True, check=True,
        )  # fmt: skip
        rows = [line.split() for line in listing.stdout.splitlines()]
        lines = {f"deb-src {r[0]} {r[1]} main" for r in rows if r[1:] == [r[1], "main", "Debian"]}
        if not lines:
            raise BuildError("apt knows no Debian repository: run `apt-get update`, then build again")
        (work / "sources.list").write_text("\n".join(sorted(lines)) + "\n")
        (work / "lists" / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::Etc::sourcelist={work}/sources.list", "-o", "Dir::Etc::sourceparts=-",
               "-o", f"Dir::State::lists={work}/lists", "-o", "APT::Sandbox::User=root"]  # fmt: skip
        b.run("apt-get", *own, "-qq", "update", cwd=work)
        for name, version in SOURCES.items():
            upstream = version.split(":")[-1].split("-")[0]
            b.run("apt-get", *own, "-qq", "source", "--download-only", name, cwd=out)
            if not list(out.glob(f"{name}_{upstream}*")):
                raise BuildError(f"apt gave no source of {name} {upstream}")

    return b.stage("sources", [sorted(SOURCES.items())], make)


def _unpack(b: Builder, name: str, work: Path) -> Path:
    dsc = next(b.build("sources").path.glob(f"{name}_*.dsc"))
    b.run("dpkg-source", "--no-check", "-x", dsc, work / name, cwd=work)
    return work / name


def linux_tree(b: Builder) -> Stage:
    """The kernel source, and its headers for user land."""

    def make(work: Path, out: Path) -> None:
        b.run("tar", "xf", LINUX_TAR, "-C", work, cwd=work)
        (work / "linux-source-6.1").rename(out / "src")
        b.run("make", "-C", out / "src", "ARCH=sh", f"O={work}", f"INSTALL_HDR_PATH={out}/headers",
              "headers_install", cwd=work)  # fmt: skip

    if not LINUX_TAR.exists():
        raise BuildError(f"{LINUX_TAR} is missing (package linux-source-6.1): run guests/setup_host.sh")
    return b.stage("linux-tree", [LINUX_TAR.stat().st_size], make)


def musl(b: Builder) -> Stage:
    """C library, static, with its ``musl-gcc`` wrapper around the mended compiler."""
    cc = b.build("toolchain")

    def make(work: Path, out: Path) -> None:
        src = _unpack(b, "musl", work)
        b.run("./configure", "--target=sh4-linux-musl", f"--prefix={out}", "--disable-shared", "--disable-wrapper",
              f"CC={cc.path}/cc", f"CROSS_COMPILE={CROSS}", "CFLAGS=-Os -m4 -ml", cwd=src)  # fmt: skip
        b.run("make", b.jobs, cwd=src)
        b.run("make", "install", cwd=src)
        wrapper = out / "musl-cc"
        # Compiles against musl's headers and links its start files; "$0" keeps the cache movable.
        wrapper.write_text(MUSL_CC.replace("@CC@", f"../{cc.path.name}/cc").replace("@LINUX@", "../linux-tree/headers/include"))
        wrapper.chmod(0o755)

    return b.stage("musl", [b.build("sources"), cc, MUSL_CC, 1], make)


MUSL_CC = """#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
cc="$here/@CC@"
gcc=$("$cc" -m4 -ml -print-libgcc-file-name)
link=1
for word in "$@"; do case "$word" in -c|-S|-E|-M|-MM|-r|-Wl,-r) link=0;; esac; done
flags="-m4 -ml -fno-pic -no-pie -nostdinc -isystem $here/include -isystem $here/@LINUX@ -isystem $(dirname "$gcc")/include"
if [ $link = 0 ]; then exec "$cc" $flags "$@"; fi
exec "$cc" $flags -static -nostdlib "$here/lib/crt1.o" "$here/lib/crti.o" "$@" \\
    -L"$here/lib" -Wl,--start-group -lc "$gcc" -Wl,--end-group "$here/lib/crtn.o"
"""


def busybox(b: Builder) -> Stage:
    """Static busybox with the applets of ``linux/busybox.fragment``."""
    libc, tree, fragment = b.build("musl"), b.build("linux-tree"), HERE / "linux" / "busybox.fragment"

    def make(work: Path, out: Path) -> None:
        src = _unpack(b, "busybox", work)
        b.run("make", "allnoconfig", cwd=src)
        wanted = dict(line.split("=", 1) for line in fragment.read_text().splitlines() if "=" in line)
        wanted["CONFIG_CROSS_COMPILER_PREFIX"] = f'"{CROSS}"'
        config = src / ".config"
        kept = [line for line in config.read_text().splitlines()
                if line.replace("# ", "").split("=")[0].split(" ")[0] not in wanted]  # fmt: skip
        config.write_text("\n".join([*kept, *(f"{k}={v}" for k, v in wanted.items())]) + "\n")
        b.run("make", "oldconfig", cwd=src, stdin="\n" * 2000)
        b.run("make", b.jobs, f"CC={libc.path}/musl-cc", "SKIP_STRIP=y", "busybox", cwd=src)
        b.run(f"{CROSS}strip", "busybox", "-o", out / "busybox", cwd=src)
        b.run("make", f"CC={libc.path}/musl-cc", "busybox.links", cwd=src)
        shutil.copy(src / "busybox.links", out)

    return b.stage("busybox", [libc, tree, fragment], make)


def stress(b: Builder) -> Stage:
    """The ``stress`` load generator, static."""
    libc = b.build("musl")
    b.build("linux-tree")

    def make(work: Path, out: Path) -> None:
        src = _unpack(b, "stress", work)
        c = src / "src" / "stress.c"
        (work / "config.h").write_text('#define PACKAGE "stress"\n#define VERSION "1.0.7"\n')
        b.run(libc.path / "musl-cc", "-O2", f"-I{work}", "-o", out / "stress", c, "-lm", cwd=work)
        b.run(f"{CROSS}strip", out / "stress", cwd=work)

    return b.stage("stress", [libc], make)


def _kernel(b: Builder, name: str, board: str, patched: bool) -> Stage:
    tree, cc, box, load = b.build("linux-tree"), b.build("toolchain"), b.build("busybox"), b.build("stress")
    patches = sorted((HERE / "linux" / "patches").glob("*.patch")) if patched else []
    fragments = [HERE / "linux" / "common.fragment", HERE / "linux" / f"{board}.fragment"]
    init = HERE / "linux" / "init"

    def make(work: Path, out: Path) -> None:
        src = work / "src"
        b.run("cp", "-al", tree.path / "src", src, cwd=work)
        for patch in patches:
            # patch(1) writes a new file, so the linked original stays as it is.
            b.run("patch", "-p1", "-i", patch, cwd=src)
        links = (box.path / "busybox.links").read_text().split()
        rows = ["dir /proc 755 0 0", "dir /sys 755 0 0", "dir /dev 755 0 0", "dir /tmp 1777 0 0", "dir /bin 755 0 0",
                "dir /sbin 755 0 0", "dir /usr 755 0 0", "dir /usr/bin 755 0 0", "dir /usr/sbin 755 0 0",
                "dir /etc 755 0 0", "nod /dev/console 600 0 0 c 5 1", "nod /dev/null 666 0 0 c 1 3",
                f"file /init {init} 755 0 0", f"file /bin/busybox {box.path}/busybox 755 0 0",
                f"file /bin/stress {load.path}/stress 755 0 0"]  # fmt: skip
        rows += [f"slink {link} /bin/busybox 777 0 0" for link in links if link != "/bin/busybox"]
        (work / "initramfs.list").write_text("\n".join(rows) + "\n")
        config = "".join(f.read_text() for f in fragments)
        config += f'CONFIG_INITRAMFS_SOURCE="{work}/initramfs.list"\n'
        (work / "config").write_text(config)
        common = ["make", "-C", src, f"O={work}/obj", "ARCH=sh", f"CROSS_COMPILE={CROSS}", f"CC={cc.path}/cc"]
        (work / "obj").mkdir()
        b.run(*common, f"KCONFIG_ALLCONFIG={work}/config", "allnoconfig", cwd=work)
        b.run(*common, b.jobs, "vmlinux" if board == "sh2007" else "zImage", cwd=work)
        obj = work / "obj"
        b.run(f"{CROSS}objcopy", "-R", ".comment", "-g", obj / "vmlinux", out / "vmlinux", cwd=work)
        shutil.copy(obj / ".config", out / "config")
        if board == "r2d":
            shutil.copy(obj / "arch/sh/boot/zImage", out / "zImage")

    return b.stage(name, [tree, cc, box, load, init, patches, fragments, 2], make)


def rtos(b: Builder) -> Stage:
    """Our RTOS and the bare programs."""
    cc = b.build("toolchain")

    def make(work: Path, out: Path) -> None:
        b.run("sh", HERE / "rtos" / "build.sh", out, cc.path / "cc", cwd=work)

    return b.stage("rtos", [cc, HERE / "rtos", HERE / "bare", HERE / "include"], make)


RECIPES: dict[str, Callable[[Builder], Stage]] = {
    "toolchain": toolchain,
    "sources": sources,
    "linux-tree": linux_tree,
    "musl": musl,
    "busybox": busybox,
    "stress": stress,
    "rtos": rtos,
    "linux": lambda b: _kernel(b, "linux", "sh2007", patched=True),
    "linux-bare": lambda b: _kernel(b, "linux-bare", "sh2007", patched=False),
    "linux-r2d": lambda b: _kernel(b, "linux-r2d", "r2d", patched=False),
}


def build(names: list[str], progress: Callable[[str], None]) -> None:
    """Build guests (``all``: every one a user boots). Raises BuildError."""
    builder = Builder(progress)
    cache().mkdir(parents=True, exist_ok=True)
    for name in GUESTS if names == ["all"] else names:
        builder.build(name)


def main(names: list[str]) -> int:
    """Command line; returns the exit code."""
    try:
        build(names or ["all"], lambda text: print(f"guests: {text}", file=sys.stderr, flush=True))
    except BuildError as error:
        print(f"guests: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
