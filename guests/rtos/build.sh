#!/bin/sh
# Builds the RTOS applications, bare and for SPUMONE, and the bare programs.
#     build.sh OUTDIR CC      CC: the mended cross compiler (guests/toolchain), "cc -fplugin=..." in one word
# Writes OUTDIR/rtos-<app>-{bare,spumone}.elf and OUTDIR/{hello,wild}.elf; the bytes depend on the sources only.
set -eu
out=$(cd "$1" && pwd)
cc=$(command -v "$2") || { echo "build.sh: no compiler $2" >&2; exit 2; }
case "$cc" in /*) ;; *) cc=$(pwd)/$cc ;; esac
cd "$(dirname "$0")/.."
flags="-m4a-nofpu -ml -O2 -g0 -std=gnu11 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-builtin
    -fno-common -fno-delete-null-pointer-checks -fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables -Iinclude"
link="-nostdlib -static -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,-T,rtos/rtos.ld"

for program in hello wild; do
    "$cc" $flags $link -o "$out/$program.elf" bare/start.S bare/$program.c
done
