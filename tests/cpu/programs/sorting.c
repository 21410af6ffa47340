/* Quick sort, heap of structures, 64-bit sums, strings: calls, stack, signed and unsigned compares of all sizes. */
#include "start.h"
struct item { short key; signed char tag; unsigned char flag; long long weight; };
static int numbers[512];
static struct item items[128];
static char text[256];

static void quick(int *a, int lo, int hi)
{
    if (lo >= hi)
        return;
    int pivot = a[(lo + hi) >> 1], i = lo, j = hi;
    while (i <= j) {
        while (a[i] < pivot)
            i++;
        while (a[j] > pivot)
            j--;
        if (i <= j) {
            int t = a[i];
            a[i++] = a[j];
            a[j--] = t;
        }
    }
    quick(a, lo, j);
    quick(a, i, hi);
}

static int before(const struct item *a, const struct item *b)
{
    if (a->key != b->key)
        return a->key < b->key;
    if (a->tag != b->tag)
        return a->tag > b->tag;
    return a->weight < b->weight;
}

static void run(void)
{
    for (int i = 0; i < 512; i++)
        numbers[i] = (int)(next() ^ next() << 7);
    quick(numbers, 0, 511);
    out(numbers, sizeof numbers);
    for (int i = 0; i < 128; i++) {
        unsigned v = next();
        items[i].key = (short)(v >> 20);
        items[i].tag = (signed char)(v >> 8);
        items[i].flag = (unsigned char)v;
        items[i].weight = (long long)(int)v * (int)next() - ((long long)v << 13);
    }
    for (int i = 1; i < 128; i++)
        for (int j = i; j > 0 && before(&items[j], &items[j - 1]); j--) {
            struct item t = items[j];
            items[j] = items[j - 1];
            items[j - 1] = t;
        }
    out(items, sizeof items);
    long long sum = 0;
    unsigned long long high = 0;
    for (int i = 0; i < 128; i++) {
        sum += items[i].weight >> (i & 31);
        high ^= (unsigned long long)items[i].weight << (i & 15);
    }
    out(&sum, 8);
    out(&high, 8);
    for (int i = 0; i < 255; i++)
        text[i] = (char)('a' + (numbers[i] & 15));
    unsigned counts[16] = {0};
    for (char *p = text; *p; ++p)
        counts[*p - 'a']++;
    out(counts, sizeof counts);
    for (int i = 0; i < 512; i++)
        if (numbers[i] % 7 == 3 && (unsigned)numbers[i] / 9u > 1000u)
            word((unsigned)(numbers[i] / 11));
}
