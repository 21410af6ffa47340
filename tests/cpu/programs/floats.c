/* Matrix products, Newton's square root, a logistic map, conversions, comparisons; single and double. */
#include "start.h"
static float a[8][8], b[8][8], c[8][8];
static double d[64];
static volatile float minus = -2.25f, plus = 3.5f;
static float seen[4];

/* The first float argument travels in fr5; GCC negates it there without switching FPSCR.PR. */
__attribute__((noinline)) static void take(float v, float w)
{
    seen[0] = v;
    seen[1] = w;
}

__attribute__((noinline)) static float sign(float v) { return v < 0 ? -v : v; }

static double root(double x)
{
    double r = x > 1 ? x : 1;
    for (int i = 0; i < 40; i++)
        r = (r + x / r) * 0.5;
    return r;
}

static void run(void)
{
    for (int i = 0; i < 64; i++) {
        (&a[0][0])[i] = (float)(int)next() / 65536.0f;
        (&b[0][0])[i] = (float)(int)(next() >> 8) * 1e-3f;
    }
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            float s = 0;
            for (int n = 0; n < 8; n++)
                s += a[i][n] * b[n][j];
            c[i][j] = s;
        }
    out(c, sizeof c);
    double x = 0.3;
    for (int i = 0; i < 64; i++) {
        x = 3.9 * x * (1 - x);
        d[i] = root(x * (i + 1)) - (double)(float)x;
    }
    out(d, sizeof d);
    int below = 0, whole = 0;
    for (int i = 0; i < 64; i++) {
        below += d[i] < 0.5;
        whole += (int)(d[i] * 1000.0) - (int)(c[i & 7][i >> 3] * 1e-4f);
    }
    word((unsigned)below);
    word((unsigned)whole);
    take(-plus, -minus);
    seen[2] = sign(minus);
    seen[3] = __builtin_fabsf(minus) - plus;
    out(seen, sizeof seen);
    float tiny = 1e-38f;
    for (int i = 0; i < 12; i++) {
        tiny *= 0.3f;
        out(&tiny, 4);
    }
}
