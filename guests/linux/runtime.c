/* What the compiler calls on SH-4 for 64-bit integers and unordered comparisons, in place of the C members of
 * Debian's libgcc.a: those were built by the unmended compiler and are wrong (__fixunsdfdi has its condition
 * inverted; guests/toolchain). The assembly members of libgcc.a stay in use. Leaves out complex and 128-bit
 * arithmetic. Variable shifts are written in 32-bit words: a 64-bit one would call itself. */
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

#define TWO_31 2147483648.0
#define TWO_32 4294967296.0

static u32 high(u64 a) { return (u32)(a >> 32); }
static u64 join(u32 hi, u32 lo) { return (u64)hi << 32 | lo; }

u64 __ashldi3(u64 a, int n)
{
    u32 hi = high(a), lo = (u32)a;
    if (n == 0)
        return a;
    return n < 32 ? join(hi << n | lo >> (32 - n), lo << n) : join(lo << (n - 32), 0);
}

u64 __lshrdi3(u64 a, int n)
{
    u32 hi = high(a), lo = (u32)a;
    if (n == 0)
        return a;
    return n < 32 ? join(hi >> n, lo >> n | hi << (32 - n)) : join(0, hi >> (n - 32));
}

s64 __ashrdi3(s64 a, int n)
{
    s32 hi = (s32)high(a);
    u32 lo = (u32)a;
    if (n == 0)
        return a;
    return n < 32 ? join(hi >> n, lo >> n | (u32)hi << (32 - n)) : join(hi >> 31, hi >> (n - 32));
}

/* Schoolbook division, bit by bit; words where words suffice. A division by 0 gives all ones, no trap. */
static u64 divide(u64 a, u64 b, u64 *rest)
{
    u64 quotient = 0, bit = 1;
    if (b == 0) {
        *rest = a;
        return ~0ull;
    }
    if (high(a) == 0 && high(b) == 0) {
        *rest = (u32)a % (u32)b;
        return (u32)a / (u32)b;
    }
    while (b < a && (s32)high(b) >= 0) {
        b <<= 1;
        bit <<= 1;
    }
    for (; bit; b >>= 1, bit >>= 1)
        if (a >= b) {
            a -= b;
            quotient |= bit;
        }
    *rest = a;
    return quotient;
}

u64 __udivdi3(u64 a, u64 b)
{
    u64 rest;
    return divide(a, b, &rest);
}

u64 __umoddi3(u64 a, u64 b)
{
    u64 rest;
    divide(a, b, &rest);
    return rest;
}

static u64 magnitude(s64 a) { return a < 0 ? -(u64)a : (u64)a; }

s64 __divdi3(s64 a, s64 b)
{
    u64 q = __udivdi3(magnitude(a), magnitude(b));
    return (a < 0) != (b < 0) ? -q : q;
}

s64 __moddi3(s64 a, s64 b)
{
    u64 r = __umoddi3(magnitude(a), magnitude(b));
    return a < 0 ? -r : r;
}

static double from_word(u32 a) { return (double)(s32)(a ^ 0x80000000u) + TWO_31; }

/* Both parts are exact, so the sum rounds once. */
double __floatundidf(u64 a) { return from_word(high(a)) * TWO_32 + from_word((u32)a); }
double __floatdidf(s64 a) { return (double)(s32)high(a) * TWO_32 + from_word((u32)a); }

/* Bits that a double would round away are gathered in one bit below those of a float, which so rounds once. */
static u64 sticky(u64 a) { return high(a) >> 21 && (u32)a & 0x7ff ? (a & ~0x7ffull) | 0x800 : a; }

float __floatundisf(u64 a) { return (float)__floatundidf(sticky(a)); }

float __floatdisf(s64 a)
{
    float f = __floatundisf(magnitude(a));
    return a < 0 ? -f : f;
}

static u32 to_word(double a) { return a < TWO_31 ? (u32)(s32)a : (u32)(s32)(a - TWO_31) + 0x80000000u; }

u64 __fixunsdfdi(double a)
{
    u32 hi;
    if (!(a >= 1.0))
        return 0;
    hi = to_word(a * (1.0 / TWO_32));
    return join(hi, to_word(a - from_word(hi) * TWO_32));
}

s64 __fixdfdi(double a) { return a < 0 ? -__fixunsdfdi(-a) : __fixunsdfdi(a); }
u64 __fixunssfdi(float a) { return __fixunsdfdi(a); }
s64 __fixsfdi(float a) { return __fixdfdi(a); }

/* By the bits: a comparison here would call itself. */
static int is_nan(double a)
{
    union { double number; u64 bits; } value = { a };
    return (value.bits << 1) > 0x7ffull << 53;
}

int __unorddf2(double a, double b) { return is_nan(a) || is_nan(b); }
int __unordsf2(float a, float b) { return __unorddf2(a, b); }
