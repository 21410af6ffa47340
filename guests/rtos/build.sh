#!/bin/sh
# Builds the RTOS applications, bare and for SPUMONE, and the bare programs.
#     build.sh OUTDIR CC      CC: the mended cross compiler (guests/toolchain)
# Writes OUTDIR/rtos-<app>-{bare,spumone}.elf and OUTDIR/{hello,wild}.elf; the bytes depend on the sources only.
set -eu
out=$(cd "$1" && pwd)
case "$2" in
*/*) cc=$(cd "$(dirname "$2")" && pwd)/$(basename "$2") ;;
*) cc=$2 ;;
esac
command -v "$cc" >/dev/null || { echo "build.sh: no compiler $2" >&2; exit 2; }
cd "$(dirname "$0")"
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Freestanding and without libgcc: the compiler may not invent calls (division, memcpy); the linker tells.
flags="-m4a-nofpu -ml -O2 -g0 -std=gnu11 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-common
    -fno-strict-aliasing -fno-delete-null-pointer-checks -fno-tree-loop-distribute-patterns
    -fno-asynchronous-unwind-tables -I../include"
ldflags="-m4a-nofpu -ml -nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack,-z,max-page-size=4096,--no-warn-rwx-segments"

# The unmended compiler drops the comparison of this loop and builds guests that do nothing.
cat >"$work/probe.c" <<'EOF'
int g(char **);
int n(char **p) { while (*p) ++p; return g(p); }
EOF
if ! "$cc" -m4a-nofpu -ml -O2 -S -o - "$work/probe.c" | grep -q 'tst'; then
    echo "build.sh: $2 generates wrong code: the pass sh_treg_combine is on, its plugin is missing or has no effect" >&2
    exit 2
fi

# compile OBJECTFOLDER FLAGS... -- SOURCES: objects are named by their source, so that no temporary name of the
# compiler gets into the symbol table.
compile() {
    objects=$1
    shift
    mkdir -p "$objects"
    extra=""
    while [ "$1" != -- ]; do
        extra="$extra $1"
        shift
    done
    shift
    for source in "$@"; do
        "$cc" $flags $extra -c -o "$objects/$(basename "$source").o" "$source"
    done
}

# link ELF OBJECTFOLDER: rtos.ld lays out first what is in its folder kernel.
link() {
    (cd "$2" && "$cc" $ldflags -Wl,-T,"$here/rtos.ld" -o "$out/$1" $(find . -name '*.o' | LC_ALL=C sort))
}

for program in hello wild; do
    compile "$work/$program" -- ../bare/start.S ../bare/$program.c
    link $program.elf "$work/$program"
done

# The kernel, once a kind: it knows no ID of an application.
mkdir "$work/no_ids"
: >"$work/no_ids/kernel_id.h"
compile "$work/bare" -Iinclude -Ikernel -I"$work/no_ids" -- kernel/entry.S kernel/*.c
compile "$work/spumone" -Iinclude -Ikernel -I"$work/no_ids" -DSPUMONE -- kernel/entry.S kernel/*.c

# application NAME SOURCE [DEFINE]: SOURCE is a file of apps, or a folder
application() {
    cfg="$work/$1"
    mkdir "$cfg"
    sources="apps/$2.c"
    api="apps/$2.cfg"
    if [ -d "apps/$2" ]; then
        sources=$(echo "apps/$2"/*.c)
        api="apps/$2/$2.cfg"
    fi
    python3 configure.py "$api" "$cfg"
    compile "$cfg" -Iinclude -Ikernel -Iapps -I"apps/$2" -I"$cfg" ${3:-} -- $sources "$cfg/kernel_cfg.c"
    for kind in bare spumone; do
        rm -rf "$cfg/kernel"
        cp -r "$work/$kind" "$cfg/kernel"
        link "rtos-$1-$kind.elf" "$cfg"
    done
}

application demo demo
application late demo -DLATE
application selftest selftest
application bench bench
application storm storm
