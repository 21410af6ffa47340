"""Recipes of the guests: what is built from which sources, with which commands (``guests/stages.py`` caches).

    python -m guests.build NAME...        NAME: rtos, bench, a kernel of KERNELS, a stage, or all

The bytes of a guest depend on its sources, the recipe and the compiler, not on when or where it is built.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from guests import stages
from guests.stages import BuildError, Stage, cache, output

HERE = Path(__file__).resolve().parent
LINUX = HERE / "linux"
CROSS = "sh4-linux-gnu-"
GCC = CROSS + "gcc-12"
LINUX_TAR = Path("/usr/src/linux-source-6.1.tar.xz")
SOURCES = {"musl": "1.2.3", "busybox": "1.35.0", "stress": "1.0.7"}
# Kernel: board, patches under linux/, further fragments of its configuration. linux/README.md compares them.
KERNELS: dict[str, tuple[str, list[str], list[str]]] = {
    "linux": ("sh2007", ["patches/0001-spumone"], []),
    "linux-ceiling": ("sh2007", ["patches/0001-spumone", "optional/ceiling"], []),
    "linux-idle": ("sh2007", ["patches/0001-spumone", "optional/idle"], []),
    "linux-hvc": ("sh2007", ["patches/0001-spumone", "optional/idle", "optional/hvc"], ["hvc"]),
    "linux-preempt": ("sh2007", ["patches/0001-spumone"], ["preempt"]),
    "linux-bare": ("sh2007", [], []),
    "linux-r2d": ("r2d", [], []),
}
GUESTS = ("rtos", "spumone", "bench", "linux", "linux-ceiling", "linux-bare", "linux-r2d")  # what "all" builds

# The unmended compiler drops load and comparison of this loop.
PROBE = "int g(char **);\nint n(char **p) { while (*p) ++p; return g(p); }\n"

# Compiles against musl's headers and links its start files; "$0" keeps the cache movable.
MUSL_CC = """#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
cc="$here/../@TOOLCHAIN@/cc"
gcc=$("$cc" -m4 -ml -print-libgcc-file-name)
link=1
for word in "$@"; do case "$word" in -c|-S|-E|-M|-MM|-r|-Wl,-r) link=0;; esac; done
flags="-m4 -ml -fno-pic -no-pie -nostdinc -isystem $here/include -isystem $here/../@TREE@/headers/include"
flags="$flags -isystem $(dirname "$gcc")/include -Wl,--build-id=none"
if [ $link = 0 ]; then exec "$cc" $flags "$@"; fi
exec "$cc" $flags -static -nostdlib "$here/lib/crt1.o" "$here/lib/crti.o" "$@" \\
    -L"$here/lib" -Wl,--start-group -lc -lruntime -Wl,--end-group "$here/lib/crtn.o"
"""

# Members of libgcc.a written in assembly. The others, in C, come from the unmended compiler: linux/runtime.c.
LIBGCC_ASSEMBLY = ["ashiftrt", "ashiftrt_n", "ashiftlt", "lshiftrt", "movmem", "movmem_i4", "mulsi3", "sdivsi3",
                   "sdivsi3_i4", "udivsi3", "udivsi3_i4", "div_table", "set_fpscr"]  # fmt: skip

# Both levels of optimisation must compute the same: no multiplication and addition is fused but by the source.
BENCH_FLAGS = ["-m4", "-ml", "-g0", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-main", "-ffreestanding",
               "-fno-pic", "-fno-common", "-fno-tree-loop-distribute-patterns", "-ffp-contract=off",
               "-fno-asynchronous-unwind-tables"]  # fmt: skip
BENCH_LINK = ["-m4", "-ml", "-nostdlib", "-static", "-Wl,--build-id=none",
              "-Wl,-z,noexecstack,-z,max-page-size=4096,--no-warn-rwx-segments"]  # fmt: skip

# Of the kernel source, what no SH-4 build reads.
NOT_UNPACKED = ["drivers/gpu/drm/amd/*.h", "Documentation/*/*", "tools/testing/*", "tools/perf/*", "sound/*.c"]


def toolchain(b: stages.Builder) -> Stage:
    """``cc``: the cross compiler with the plugin that mends it."""
    source = HERE / "toolchain" / "no_treg_combine.cc"
    versions = [output(GCC, "--version"), output(CROSS + "ld", "--version")]

    def make(work: Path, out: Path) -> None:
        include = output(GCC, "-print-file-name=plugin") + "/include"
        if not Path(include, "gcc-plugin.h").exists():
            raise BuildError("the headers of gcc-12-plugin-dev-sh4-linux-gnu are missing: run guests/setup_host.sh")
        b.run("g++", "-O2", "-fPIC", "-fno-rtti", "-shared", f"-I{include}", source, "-o", out / "mend.so", cwd=work)
        wrapper = out / "cc"
        wrapper.write_text(f'#!/bin/sh\nexec {GCC} -fplugin="$(dirname "$0")/mend.so" "$@"\n')
        wrapper.chmod(0o755)
        (work / "probe.c").write_text(PROBE)
        b.run(wrapper, "-m4a-nofpu", "-ml", "-O2", "-S", "probe.c", cwd=work)
        if "\ttst\t" not in (work / "probe.s").read_text():
            raise BuildError("toolchain: the plugin has no effect: the loop of probe.c compares nothing")

    return b.stage("toolchain", [source, versions, PROBE, 4], make)


def sources(b: stages.Builder) -> Stage:
    """Debian source packages, fetched by apt with a source list of the cache's own; the user's stays."""

    def make(work: Path, out: Path) -> None:
        wanted = "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)"
        targets = output("apt-get", "indextargets", "--format", wanted, "Created-By: Packages")
        rows = [line.split() for line in targets.splitlines()]
        lines = {f"deb-src {r[0]} {r[1]} main" for r in rows if r[2:] == ["main", "Debian"]}
        if not lines:
            raise BuildError("apt knows no Debian repository: run `apt-get update`, then build again")
        (work / "sources.list").write_text("\n".join(sorted(lines)) + "\n")
        (work / "lists" / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::Etc::sourcelist={work}/sources.list", "-o", "Dir::Etc::sourceparts=-",
               "-o", f"Dir::State::lists={work}/lists", "-o", "APT::Sandbox::User=root"]  # fmt: skip
        b.run("apt-get", *own, "-qq", "update", cwd=work)
        for name, version in SOURCES.items():
            b.run("apt-get", *own, "-qq", "source", "--download-only", name, cwd=out)
            if not list(out.glob(f"{name}_{version}-*.dsc")):
                raise BuildError(f"apt has no source of {name} {version}: Debian 12 (bookworm) has it")

    return b.stage("sources", [sorted(SOURCES.items())], make)


def _source_files(b: stages.Builder, name: str) -> list[Path]:
    return sorted(b.build("sources").path.glob(f"{name}_*"))


def _unpack(b: stages.Builder, name: str, work: Path) -> Path:
    dsc = next(p for p in _source_files(b, name) if p.suffix == ".dsc")
    b.run("dpkg-source", "--no-check", "-x", dsc, work / name, cwd=work)
    return work / name


def linux_tree(b: stages.Builder) -> Stage:
    """The kernel source, and its headers for user land."""
    if not LINUX_TAR.exists():
        raise BuildError(f"{LINUX_TAR} (package linux-source-6.1) is missing: run guests/setup_host.sh")

    def make(work: Path, out: Path) -> None:
        excluded = [f"--exclude=linux-source-6.1/{path}" for path in NOT_UNPACKED]
        b.run("tar", "xf", LINUX_TAR, "-C", work, "--wildcards", *excluded, cwd=work)
        (work / "linux-source-6.1").rename(out / "src")
        b.run("make", "-C", out / "src", "ARCH=sh", f"O={work}", f"INSTALL_HDR_PATH={out}/headers",
              "headers_install", cwd=work)  # fmt: skip

    return b.stage("linux-tree", [LINUX_TAR, NOT_UNPACKED], make)


def musl(b: stages.Builder) -> Stage:
    """C library, static, and ``musl-cc``, the mended compiler that builds with it."""
    cc, tree, runtime = b.build("toolchain"), b.build("linux-tree"), LINUX / "runtime.c"

    def make(work: Path, out: Path) -> None:
        src = _unpack(b, "musl", work)
        flags = f"CFLAGS=-Os -m4 -ml -ffile-prefix-map={src}=."
        b.run("./configure", "--target=sh4-linux-musl", "--prefix=/", "--disable-shared", "--disable-wrapper",
              f"CC={cc.path}/cc", f"CROSS_COMPILE={CROSS}", flags, cwd=src)  # fmt: skip
        b.run("make", b.jobs, cwd=src)
        b.run("make", f"DESTDIR={out}", "install-libs", "install-headers", cwd=src)
        b.run(cc.path / "cc", "-m4", "-ml", "-O2", "-Wall", "-Werror", "-ffreestanding", "-c", runtime, cwd=work)
        libgcc = output(GCC, "-m4", "-ml", "-print-libgcc-file-name")
        members = [f"_{name}.o" for name in LIBGCC_ASSEMBLY]
        b.run(CROSS + "ar", "x", libgcc, *members, cwd=work)
        b.run(CROSS + "ar", "rcsD", out / "lib" / "libruntime.a", "runtime.o", *members, cwd=work)
        wrapper = out / "musl-cc"
        wrapper.write_text(MUSL_CC.replace("@TOOLCHAIN@", cc.path.name).replace("@TREE@", tree.path.name))
        wrapper.chmod(0o755)

    return b.stage("musl", [_source_files(b, "musl"), cc, tree, runtime, LIBGCC_ASSEMBLY, MUSL_CC, 3], make)


def busybox(b: stages.Builder) -> Stage:
    """Static busybox with the applets of ``linux/busybox.fragment``."""
    libc, fragment = b.build("musl"), LINUX / "busybox.fragment"

    def make(work: Path, out: Path) -> None:
        src = _unpack(b, "busybox", work)
        b.run("make", "allnoconfig", cwd=src)
        # busybox's kconfig knows no KCONFIG_ALLCONFIG and keeps the first of two lines.
        wanted = dict(line.split("=", 1) for line in fragment.read_text().splitlines() if "=" in line)
        config = src / ".config"
        kept = [line for line in config.read_text().splitlines()
                if line.removeprefix("# ").split("=")[0].split(" ")[0] not in wanted]  # fmt: skip
        config.write_text("\n".join([*kept, *(f"{k}={v}" for k, v in wanted.items())]) + "\n")
        b.run("make", "oldconfig", cwd=src, stdin="\n" * 2000)
        b.run("make", b.jobs, f"CC={libc.path}/musl-cc", "SKIP_STRIP=y", "busybox", "busybox.links", cwd=src)
        b.run(f"{CROSS}strip", "busybox", "-o", out / "busybox", cwd=src)
        shutil.copy(src / "busybox.links", out)

    return b.stage("busybox", [_source_files(b, "busybox"), libc, fragment, 2], make)


def stress(b: stages.Builder) -> Stage:
    """The ``stress`` load generator, static."""
    libc = b.build("musl")

    def make(work: Path, out: Path) -> None:
        src = _unpack(b, "stress", work)
        (work / "config.h").write_text(f'#define PACKAGE "stress"\n#define VERSION "{SOURCES["stress"]}"\n')
        b.run(libc.path / "musl-cc", "-O2", f"-I{work}", "-o", out / "stress", src / "src" / "stress.c", cwd=work)
        b.run(f"{CROSS}strip", out / "stress", cwd=work)

    return b.stage("stress", [_source_files(b, "stress"), libc, 2], make)


def _initramfs(box: Stage, load: Stage) -> str:
    """List for gen_init_cpio: busybox with its applets, stress, and the files of ``linux/root``."""
    folders = ["/proc", "/sys", "/dev", "/tmp", "/bin", "/sbin", "/usr", "/usr/bin", "/usr/sbin", "/etc"]
    rows = [f"dir {folder} 755 0 0" for folder in folders]
    rows += ["nod /dev/console 600 0 0 c 5 1", "slink /init /bin/busybox 777 0 0"]
    rows += [f"file /bin/busybox {box.path}/busybox 755 0 0", f"file /bin/stress {load.path}/stress 755 0 0"]
    links = (box.path / "busybox.links").read_text().split()
    rows += [f"slink {link} /bin/busybox 777 0 0" for link in links if link != "/bin/busybox"]
    root = LINUX / "root"
    rows += [f"file /{p.relative_to(root)} {p} 644 0 0" for p in sorted(root.rglob("*")) if p.is_file()]
    return "\n".join(rows) + "\n"


def patches(name: str) -> list[Path]:
    """Patches of a kernel, in the order they are applied."""
    return [LINUX / f"{patch}.patch" for patch in KERNELS[name][1]]


def _kernel(b: stages.Builder, name: str) -> Stage:
    tree, cc, box, load = b.build("linux-tree"), b.build("toolchain"), b.build("busybox"), b.build("stress")
    board, _, more = KERNELS[name]
    fragments = [LINUX / f"{fragment}.fragment" for fragment in ("common", board, *more)]

    def make(work: Path, out: Path) -> None:
        src, obj = work / "src", work / "obj"
        obj.mkdir()
        b.run("cp", "-al", tree.path / "src", src, cwd=work)
        for patch in patches(name):
            # patch(1) writes a new file, so the linked original stays as it is.
            b.run("patch", "--fuzz=0", "-p1", "-i", patch, cwd=src)
        (obj / "initramfs.list").write_text(_initramfs(box, load))
        (work / "config").write_text("".join(f.read_text() for f in fragments))
        kbuild = ["make", "-C", src, f"O={obj}", "ARCH=sh", f"CROSS_COMPILE={CROSS}", f"CC={cc.path}/cc"]
        b.run(*kbuild, f"KCONFIG_ALLCONFIG={work}/config", "allnoconfig", cwd=work)
        _check_config(fragments, obj / ".config")
        b.run(*kbuild, b.jobs, "zImage" if board == "r2d" else "vmlinux", cwd=work)
        b.run(f"{CROSS}objcopy", "-R", ".comment", "-g", obj / "vmlinux", out / "vmlinux", cwd=work)
        shutil.copy(obj / ".config", out / "config")
        if board == "r2d":
            shutil.copy(obj / "arch/sh/boot/zImage", out / "zImage")

    return b.stage(name, [tree, cc, box, load, LINUX / "root", patches(name), fragments, 3], make)


def _check_config(fragments: list[Path], config: Path) -> None:
    """Kconfig drops what it does not know without a word; a line of ours that is lost is an error."""
    have = set(config.read_text().splitlines())
    lines = [line for f in fragments for line in f.read_text().splitlines()]  # the last one of a symbol counts
    wanted = {found[1]: line for line in lines if (found := re.match(r"(?:# )?(CONFIG_\w+)", line))}
    lost = [line for line in wanted.values() if line not in have]
    if lost:
        raise BuildError("the kernel's Kconfig did not take: " + ", ".join(lost))


def rtos(b: stages.Builder) -> Stage:
    """Our RTOS and the bare programs."""
    cc = b.build("toolchain")

    def make(work: Path, out: Path) -> None:
        b.run("sh", HERE / "rtos" / "build.sh", out, cc.path / "cc", cwd=work)

    return b.stage("rtos", [cc, HERE / "rtos", HERE / "bare", HERE / "include"], make)


def spumone(b: stages.Builder) -> Stage:
    """SPUMONE as firmware: spumone.elf."""
    cc, source = b.build("toolchain"), HERE / "spumone"

    def make(work: Path, out: Path) -> None:
        flags = [*BENCH_FLAGS, "-O2", "-fno-strict-aliasing", "-fno-delete-null-pointer-checks", f"-I{HERE}/include"]
        flags.append("-falign-functions=32")  # a function that is met cold takes no more cache lines than it must
        for name in ("spumone", "serial"):
            b.run(cc.path / "cc", *flags, "-m4a-nofpu", "-c", source / f"{name}.c", "-o", f"{name}.o", cwd=work)
        b.run(cc.path / "cc", *flags, "-m4a", "-c", source / "spumone.S", "-o", "paths.o", cwd=work)
        b.run(cc.path / "cc", *BENCH_LINK, f"-Wl,-T,{source}/spumone.ld", "paths.o", "spumone.o", "serial.o", "-o",
              out / "spumone.elf", cwd=work)  # fmt: skip

    return b.stage("spumone", [cc, source, HERE / "include", BENCH_FLAGS, BENCH_LINK, 6], make)


def bench(b: stages.Builder) -> Stage:
    """The benchmark programs: NAME.bin, the raw image, NAME.elf, the same without optimisation, NAME-O0.*; micro.*."""
    cc, source = b.build("toolchain"), HERE / "bench"

    def make(work: Path, out: Path) -> None:
        for path in sorted(source.glob("*.c")):
            for level, name in (("-O2", path.stem), ("-O0", f"{path.stem}-O0")):
                b.run(cc.path / "cc", *BENCH_FLAGS, level, "-c", path, "-o", f"{name}.o", cwd=work)
        b.run(cc.path / "cc", *BENCH_FLAGS, "-c", source / "start.S", cwd=work)
        for name in sorted(p.stem for p in work.glob("*.o") if p.stem not in ("start", "main", "main-O0")):
            objects = ["start.o", "main-O0.o" if name.endswith("-O0") else "main.o", f"{name}.o"]
            b.run(cc.path / "cc", *BENCH_LINK, f"-Wl,-T,{source}/bench.ld", *objects, "-o", out / f"{name}.elf",
                  "-lgcc", cwd=work)  # fmt: skip
        b.run(cc.path / "cc", *BENCH_FLAGS, *BENCH_LINK, "-Wl,-Ttext=0x8c000000", source / "micro.S",
              "-o", out / "micro.elf", cwd=work)  # fmt: skip
        for path in sorted(out.glob("*.elf")):
            b.run(f"{CROSS}objcopy", "-O", "binary", path, path.with_suffix(".bin"), cwd=work)

    return b.stage("bench", [cc, source, BENCH_FLAGS, BENCH_LINK, 2], make)


class Builder(stages.Builder):
    """Builds our guests; ``progress`` gets a line of text when a stage starts and when it is done."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        super().__init__(dict(RECIPES), progress)


RECIPES: dict[str, Callable[[stages.Builder], Stage]] = {
    "toolchain": toolchain,
    "sources": sources,
    "linux-tree": linux_tree,
    "musl": musl,
    "busybox": busybox,
    "stress": stress,
    "rtos": rtos,
    "spumone": spumone,
    "bench": bench,
    **{name: partial(_kernel, name=name) for name in KERNELS},
}


def build(name: str, progress: Callable[[str], None] = lambda line: None) -> dict[str, Path]:
    """Build a guest or stage, or take it from the cache; returns file name to path.

    ``progress`` gets a line of text when a stage starts and when it is done. Raises BuildError.
    """
    return Builder(progress).build(name).files()


def artefact(name: str, file: str) -> Path:
    """Path of a built file, e.g. ``artefact("linux", "vmlinux")``. Raises BuildError if not built."""
    path = cache() / name / file
    if not path.exists():
        raise BuildError(f"guest file {name}/{file} is not built: run `cosim guests build {name}`")
    return path.resolve()


def built(name: str) -> list[Path]:
    """Files of a guest in the cache. Raises BuildError if it is not built."""
    folder = cache() / name
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    if not files:
        raise BuildError(f"run `cosim guests build {name}`")
    return files


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(names: list[str], tell: Callable[[str], None] = _tell, show: Callable[[str], None] = print) -> int:
    """Command line; data (the files) goes to ``show``, progress and errors to ``tell``; returns the exit code."""
    try:
        for name in GUESTS if names in ([], ["all"]) else names:
            files = build(name, lambda text: tell(f"guests: {text}"))
            for path in files.values():
                show(str(path))
    except BuildError as error:
        tell(f"guests: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
