"""The counting rule of changed guest lines, on small texts and on our guests."""

from guests.count_changes import conditional_lines, count, patch_lines, statements

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


def test_our_guests_stay_within_the_papers_numbers():
    lines = count()
    assert 0 < lines["linux"] <= 7
    assert 0 < lines["rtos"] <= 14
