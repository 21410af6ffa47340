"""The counting rule of changed guest lines, on small texts and on our guests."""

import json
import subprocess
import sys

import pytest

from guests.build import KERNELS, LINUX, patches
from guests.count_changes import conditional_lines, count, driver_lines, kernel_lines, patch_lines, statements

PATCH = """Some text that is no diff.

--- a/x.c
+++ b/x.c
@@ -1,6 +1,4 @@
 int a;
-	asm("one"
-	    : "two"
-	    : "three");
+	call();  /* why */
+
 int b;
@@ -20,2 +18,4 @@
 int c;
+/* a comment
+   over two lines */
+	first(); second();
--- a/y.c
+++ b/y.c
@@ -1,1 +1,1 @@
-#define N 1
+#define N 2
"""


def test_each_hunk_counts_its_larger_side_without_blanks_and_comments():
    assert patch_lines(PATCH) == 3 + 2 + 1


def test_two_statements_on_a_line_count_twice_and_semicolons_in_strings_do_not():
    assert statements(["a(); b();", 'print("x; y");', "for (i = 0; i < 3; i++) {", "}"]) == 5


def test_a_block_counts_its_larger_side_once():
    text = """#include <x.h>
#ifdef SPUMONE
    call();
    more();
#else
    asm("sleep");
#endif
#ifndef SPUMONE
    one();
#endif
#ifdef OTHER
    never();
#endif
"""
    assert conditional_lines(text) == 2 + 1


def test_another_condition_inside_a_block_is_counted_with_it():
    text = "#if defined(SPUMONE)\na();\n#ifdef OTHER\nb();\n#endif\n#endif\n"
    assert conditional_lines(text) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#ifdef SPUMONE\na();\n#elif FOO\nb();\n#else\nc();\n#endif", 2),  # a() for b() and c()
        ("#ifdef SPUMONE\na();\na();\n#elif FOO\nb();\n#endif", 2),
        ("#ifndef SPUMONE\na();\n#elif FOO\nb();\n#endif", 1),
        ("#ifndef SPUMONE\na();\n#elif defined(SPUMONE)\nb();\n#endif", 1),
        ("#if !defined(SPUMONE)\na();\n#elif SPUMONE > 1\nb();\nb();\n#else\nb();\n#endif", 3),
        ("#if FOO\nf();\nf();\n#elif defined(SPUMONE)\na();\n#else\nb();\n#endif", 1),
        ("#if FOO\nf();\n#elif BAR\nf();\n#endif", 0),
        ("#if FOO\n#ifdef SPUMONE\na();\n#endif\n#elif BAR\nf();\n#endif", 1),
    ],
)
def test_elif_is_of_the_side_that_its_condition_names(text, expected):
    assert conditional_lines(text + "\n") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (r'"or\t#0xf0, %0\n\t"', 1),
        (r'"or\t#0xf0, %0; xor\t#0x80, %0\n\t"', 2),
        (r'"stc sr, %0\n\t" "ldc %0, sr\n\t"', 2),
        ('#define cpu_sleep() __asm__ __volatile__ ("sleep" : : : "memory")', 1),
        ('if (call(&base)) asm volatile("ldc %0, vbr"  /* why */', 1),
        (': "=&z" (dummy), "r" (base)', 1),
    ],
)
def test_instructions_in_the_text_of_an_asm_statement_count_each(line, expected):
    assert statements([line]) == expected


def test_our_guests_stay_within_the_papers_numbers():
    assert {name: kernel_lines(name) for name in KERNELS} == {
        "linux": 2, "linux-ceiling": 7, "linux-idle": 3, "linux-hvc": 3, "linux-preempt": 2, "linux-bare": 0,
        "linux-r2d": 0,
    }  # fmt: skip
    assert driver_lines() == {"hvc": 63}  # as guests/linux/README.md says
    assert count("linux-ceiling") == {"linux": 7, "rtos": count()["rtos"]}
    assert 0 < count()["rtos"] <= 14


def test_no_patch_is_left_uncounted():
    assert {path for name in KERNELS for path in patches(name)} == set(LINUX.rglob("*.patch"))


def test_the_command_prints_every_guest():
    done = subprocess.run([sys.executable, "-m", "guests.count_changes"], capture_output=True, text=True, check=True)
    kernels = {name: kernel_lines(name) for name in KERNELS}
    assert json.loads(done.stdout) == {"rtos": count()["rtos"], **kernels, "drivers": driver_lines()}
