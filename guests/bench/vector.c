/* FTRV and FIPR over 256 vectors: each is transformed, and its image multiplied with itself.
 *
 * The numbers are small integers, so that every way of rounding gives the same. QEMU 7.2 takes both instructions with
 * FPSCR.PR=1 only, where an SH-4 has them with PR=0: PR is set by the machine's PVR. It also takes every vector for
 * FV0, so FV0 it is. */
#include "bench.h"

enum { COUNT = 256 };
#define PVR (*(volatile u32 *)0xff000030)
#define FPSCR_DN 0x00040000u
#define FPSCR_PR 0x00080000u

static float vectors[COUNT][4], images[COUNT][4], products[COUNT];
static float matrix[16] = {1, -2, 3, 4, 5, 6, -7, 8, -9, 10, 11, 12, 13, 14, 15, -15};

/* FRCHG is for PR=0 on both. */
static APART void load_matrix(const float *m, u32 fpscr)
{
    u32 kept;
    __asm__ volatile("sts fpscr,%[kept]\n\t"
                     "lds %[fpscr],fpscr\n\t"
                     "frchg\n\t"
                     "fmov.s @%[m]+,fr0\n\tfmov.s @%[m]+,fr1\n\tfmov.s @%[m]+,fr2\n\tfmov.s @%[m]+,fr3\n\t"
                     "fmov.s @%[m]+,fr4\n\tfmov.s @%[m]+,fr5\n\tfmov.s @%[m]+,fr6\n\tfmov.s @%[m]+,fr7\n\t"
                     "fmov.s @%[m]+,fr8\n\tfmov.s @%[m]+,fr9\n\tfmov.s @%[m]+,fr10\n\tfmov.s @%[m]+,fr11\n\t"
                     "fmov.s @%[m]+,fr12\n\tfmov.s @%[m]+,fr13\n\tfmov.s @%[m]+,fr14\n\tfmov.s @%[m]+,fr15\n\t"
                     "frchg\n\t"
                     "lds %[kept],fpscr"
                     : [kept] "=&r"(kept), [m] "+r"(m)
                     : [fpscr] "r"(fpscr)
                     : "memory");
}

/* In assembly as a whole: PR is not what the compiler takes it to be. */
static APART void transform(const float *from, float *to, float *product, u32 count, u32 fpscr)
{
    u32 kept;
    __asm__ volatile("sts fpscr,%[kept]\n\t"
                     "lds %[fpscr],fpscr\n"
                     "1:\tfmov.s @%[from]+,fr0\n\tfmov.s @%[from]+,fr1\n\t"
                     "fmov.s @%[from]+,fr2\n\tfmov.s @%[from]+,fr3\n\t"
                     "add #16,%[to]\n\t"
                     "dt %[count]\n\t"
                     "ftrv xmtrx,fv0\n\t"
                     "fmov.s fr3,@-%[to]\n\tfmov.s fr2,@-%[to]\n\tfmov.s fr1,@-%[to]\n\tfmov.s fr0,@-%[to]\n\t"
                     "fipr fv0,fv0\n\t"
                     "add #16,%[to]\n\t"
                     "fmov.s fr3,@%[product]\n\t"
                     "bf/s 1b\n\t"
                     " add #4,%[product]\n\t"
                     "lds %[kept],fpscr"
                     : [kept] "=&r"(kept), [from] "+r"(from), [to] "+r"(to), [product] "+r"(product),
                       [count] "+r"(count)
                     : [fpscr] "r"(fpscr)
                     : "fr0", "fr1", "fr2", "fr3", "t", "memory");
}

u32 bench(u32 iterations)
{
    u32 sum = 0, seed = 7, sh4a = PVR >> 24 == 0x10;
    u32 fpscr = FPSCR_DN | FPSCR_PR * (1 - sh4a);
    load_matrix(matrix, FPSCR_DN);
    for (u32 k = 0; k < COUNT * 4; k++)
        vectors[k / 4][k % 4] = (float)(int)((next(&seed) & 15) * 2 + 1) - 16.0f; /* odd: never 0 */
    for (u32 n = 0; n < iterations; n++) {
        vectors[n % COUNT][n % 4] = (float)(int)((n & 15) * 2 + 1) - 16.0f;
        transform(vectors[0], images[0], products, COUNT, fpscr);
        for (u32 k = n & 31; k < COUNT; k += 32) {
            union { float f; u32 bits; } x = {images[k][n & 3]}, y = {products[k]};
            sum = (sum << 7 | sum >> 25) + (x.bits ^ y.bits);
        }
    }
    return sum;
}
