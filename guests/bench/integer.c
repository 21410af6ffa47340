/* Integer work of a systems program: records by pointers, strings, calls, a switch, small arrays, a division. */
#include "bench.h"

enum kind { EMPTY, NUMBER, NAME, LINK, KINDS };

struct record {
    struct record *link;
    enum kind kind;
    int amount;
    char name[12];
};

static struct record records[8];
static u32 table[32], grid[16][16];
static const char *const names[4] = {"north wing", "north west", "south", "sea"};

static APART u32 divide(u32 a, u32 b)
{
    u32 quotient = 0;
    for (int bit = 15; bit >= 0; bit--)
        if (a >> bit >= b) {
            a -= b << bit;
            quotient |= 1u << bit;
        }
    return quotient;
}

static APART void copy(char *to, const char *from)
{
    while ((*to++ = *from++))
        ;
}

static APART int compare(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}

static APART enum kind follow(enum kind kind, int amount)
{
    switch (kind) {
    case EMPTY: return NUMBER;
    case NUMBER: return amount > 100 ? NAME : LINK;
    case NAME: return amount & 1 ? LINK : EMPTY;
    case LINK: return EMPTY;
    default: return NUMBER;
    }
}

static APART void update(struct record *r, u32 chance)
{
    struct record *other = r->link;
    *other = *r;
    other->link = &records[chance & 7];
    other->amount = r->amount + (int)(chance >> 8 & 127) - 60;
    r->kind = follow(other->kind, other->amount & 255);
    if (chance & 8)
        copy(r->name, names[chance >> 4 & 3]);
}

static APART void place(u32 *row, u32 (*square)[16], u32 at, u32 amount)
{
    row[at] = amount;
    row[at + 1] = row[at];
    row[at + 15] = at;
    for (u32 k = at; k <= at + 1; k++)
        square[at & 15][k & 15] = at;
    square[(at + 3) & 15][at & 15] += row[at];
}

u32 bench(u32 iterations)
{
    u32 sum = 0, seed = 1357;
    for (int k = 0; k < 8; k++) {
        records[k].link = &records[(k + 1) & 7];
        copy(records[k].name, names[k & 3]);
    }
    for (u32 n = 0; n < iterations; n++) {
        struct record *r = &records[n & 7];
        u32 chance = next(&seed);
        update(r, chance);
        int differ = compare(r->name, records[chance >> 16 & 7].name);
        place(table, grid, n & 15, (u32)(differ + r->amount));
        for (struct record *p = r; p->kind != EMPTY && p->amount & 3; p = p->link)
            sum += (u32)p->amount++;
        if (differ > 0)
            sum ^= divide((sum & 0xffff) | 1, (chance >> 20 & 63) + 3);
        sum = (sum << 1 | sum >> 31) + grid[n & 15][n >> 4 & 15] + (u32)r->kind;
    }
    return sum;
}
