/* What a benchmark program is: bench(n) does n iterations and returns their checksum. main is in main.c. */
typedef unsigned char u8;
typedef unsigned int u32;

u32 bench(u32 iterations);

#define APART __attribute__((noinline, noclone)) /* a function that stays a call */

/* Numbers that look random; never 0 for a seed that is not 0. */
static inline u32 next(u32 *seed)
{
    u32 x = *seed;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *seed = x;
}
