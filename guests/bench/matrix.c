/* Single precision: 32 x 32 matrices multiplied with fused multiply-add, and rows scaled by their greatest value. */
#include "bench.h"

enum { N = 32 };
static float a[N][N], b[N][N], c[N][N];

static APART void multiply(float to[N][N], float left[N][N], float right[N][N])
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            float sum = 0.0f;
            for (int k = 0; k < N; k++)
                sum = __builtin_fmaf(left[i][k], right[k][j], sum);
            to[i][j] = sum;
        }
}

static APART void scale(float row[N], float shift)
{
    float greatest = 1e-3f;
    for (int k = 0; k < N; k++) {
        float size = row[k] < 0.0f ? -row[k] : row[k];
        if (size > greatest)
            greatest = size;
    }
    float factor = 1.0f / greatest;
    for (int k = 0; k < N; k++)
        row[k] = row[k] * factor + shift;
}

u32 bench(u32 iterations)
{
    u32 sum = 0, seed = 99;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (float)((int)(next(&seed) & 0xffff) - 0x8000) / 32768.0f;
            b[i][j] = (float)((int)(next(&seed) & 0xffff) - 0x8000) / 65536.0f;
        }
    for (u32 n = 0; n < iterations; n++) {
        multiply(c, a, b);
        for (int i = 0; i < N; i++)
            scale(c[i], (float)(int)(n & 15) / 64.0f);
        multiply(a, c, b);
        for (int i = 0; i < N; i++)
            scale(a[i], -0.0625f);
        for (int i = 0; i < N; i++) {
            union { float f; u32 bits; } x = {a[i][(n + (u32)i) % N]};
            sum = (sum << 3 | sum >> 29) ^ x.bits;
        }
    }
    return sum;
}
