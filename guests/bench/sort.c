/* Sorts 16384 words (quicksort, then insertion in short runs), and copies and moves them in between. */
#include "bench.h"

enum { COUNT = 16384, RUN = 8 };
static u32 words[COUNT], kept[COUNT + 4];

static APART void copy_words(u32 *restrict to, const u32 *restrict from, u32 count)
{
    for (; count >= 4; count -= 4, to += 4, from += 4) {
        u32 a = from[0], b = from[1], c = from[2], d = from[3];
        to[0] = a, to[1] = b, to[2] = c, to[3] = d;
    }
    while (count--)
        *to++ = *from++;
}

static APART void copy_bytes(u8 *restrict to, const u8 *restrict from, u32 count)
{
    while (count--)
        *to++ = *from++;
}

static APART void quick(u32 *low, u32 *high) /* both inclusive */
{
    while (high - low >= RUN) {
        u32 middle = low[(high - low) >> 1], *i = low, *j = high;
        while (i <= j) {
            while (*i < middle)
                i++;
            while (*j > middle)
                j--;
            if (i <= j) {
                u32 other = *i;
                *i++ = *j, *j-- = other;
            }
        }
        if (j - low < high - i) {
            quick(low, j);
            low = i;
        } else {
            quick(i, high);
            high = j;
        }
    }
}

static APART void insert(u32 *p, u32 count)
{
    for (u32 k = 1; k < count; k++) {
        u32 word = p[k], at = k;
        for (; at && p[at - 1] > word; at--)
            p[at] = p[at - 1];
        p[at] = word;
    }
}

u32 bench(u32 iterations)
{
    u32 sum = 0, seed = 2463534242u;
    for (u32 n = 0; n < iterations; n++) {
        for (u32 k = 0; k < COUNT; k++)
            words[k] = next(&seed);
        quick(words, words + COUNT - 1);
        insert(words, COUNT);
        for (u32 k = 0; k < 8; k++)
            copy_words(kept + (k & 1), words, COUNT);
        copy_bytes((u8 *)kept + 3, (const u8 *)words + n % 5, sizeof words - 8);
        for (u32 k = 0; k < COUNT; k += 61)
            sum = (sum << 5) + sum + kept[k];
    }
    return sum;
}
