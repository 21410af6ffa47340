/* FPU: IEEE 754 arithmetic on integers, with the SH's NaN rules, causes, enables and flags.
 *
 * A number is (-1)^sign * m * 2^e with m an unsigned 128-bit integer whose lowest bit may be sticky.
 * Every operation makes such a number and rounds it once. NaN with the top fraction bit set signals;
 * every NaN result is the default one. Approximate operations are defined in docs/reference/semantics.md. */
#include "core.h"

#include <string.h>

#define SLOWLY MARK(ROW_FPU); c->count.fpu_slow++

typedef unsigned __int128 u128;
enum { I = 1, U = 2, O = 4, Z = 8, V = 16 };

struct format {
    int bits, bias; /* fraction bits, exponent bias */
    uint64_t nan;
};
static const struct format single = {23, 127, 0x7fbfffff}, dbl = {52, 1023, 0x7ff7ffffffffffff};

enum kind { ZERO, FINITE, INFINITE, QUIET, SIGNALLING };
struct number {
    enum kind kind;
    bool sign;
    int e;
    u128 m;
};

static int top_bit(u128 m)
{
    uint64_t high = (uint64_t)(m >> 64);
    return high ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll((uint64_t)m);
}

static struct number unpack(core *c, const struct format *f, uint64_t v)
{
    int width = f->bits == 23 ? 32 : 64, top = 2 * f->bias + 1;
    uint64_t fraction = v & (((uint64_t)1 << f->bits) - 1);
    int exponent = (int)(v >> f->bits) & top;
    struct number x = {.sign = v >> (width - 1) & 1};
    if (exponent == top) {
        x.kind = !fraction ? INFINITE : fraction >> (f->bits - 1) ? SIGNALLING : QUIET;
    } else if (!exponent && (!fraction || c->fpscr & FPSCR_DN)) {
        x.kind = ZERO; /* DN: denormals are read as zero of their sign */
    } else {
        x.kind = FINITE;
        x.m = exponent ? fraction | (uint64_t)1 << f->bits : fraction;
        x.e = (exponent ? exponent : 1) - f->bias - f->bits;
    }
    return x;
}

static uint64_t pack(const struct format *f, bool sign, uint64_t exponent, uint64_t fraction)
{
    return (uint64_t)sign << (f->bits == 23 ? 31 : 63) | exponent << f->bits | fraction;
}

static uint64_t infinity(const struct format *f, bool sign) { return pack(f, sign, 2 * f->bias + 1, 0); }

static u128 shift_sticky(u128 m, int by)
{
    if (by <= 0)
        return m;
    if (by > 127)
        return m != 0;
    return m >> by | ((m & (((u128)1 << by) - 1)) != 0);
}

/* Round once to the format. FPSCR.RM: 0 nearest even, 1 toward zero. */
static uint64_t round_pack(core *c, const struct format *f, bool sign, int e, u128 m, unsigned *cause)
{
    if (!m)
        return pack(f, sign, 0, 0);
    bool nearest = (c->fpscr & FPSCR_RM) == 0;
    int extra = 2; /* guard and sticky */
    int shift = top_bit(m) - (f->bits + extra);
    if (shift < 0)
        m <<= -shift;
    else
        m = shift_sticky(m, shift);
    e += shift; /* value = m * 2^e, m has bits + extra + 1 bits */
    int exponent = e + f->bits + extra + f->bias;
    bool tiny = exponent <= 0;
    if (tiny) {
        if (c->fpscr & FPSCR_DN) {
            *cause |= U | I;
            return pack(f, sign, 0, 0);
        }
        m = shift_sticky(m, 1 - exponent);
        exponent = 0;
    }
    unsigned low = (unsigned)m & 3;
    uint64_t r = (uint64_t)(m >> 2);
    if (low)
        *cause |= I | (tiny ? U : 0);
    if (nearest && (low == 3 || (low == 2 && r & 1)))
        r++;
    if (tiny) /* may have become normal: the carry is the exponent */
        return pack(f, sign, 0, 0) | r;
    if (r >> (f->bits + 1)) {
        r >>= 1;
        exponent++;
    }
    if (exponent >= 2 * f->bias + 1) {
        *cause |= O | I;
        return nearest ? infinity(f, sign) : infinity(f, sign) - 1;
    }
    return pack(f, sign, (uint64_t)exponent, r & (((uint64_t)1 << f->bits) - 1));
}

static bool nan_result(const struct format *f, struct number a, struct number b, unsigned *cause, uint64_t *r)
{
    if (a.kind < QUIET && b.kind < QUIET)
        return false;
    if (a.kind == SIGNALLING || b.kind == SIGNALLING)
        *cause |= V;
    *r = f->nan;
    return true;
}

static uint64_t invalid(const struct format *f, unsigned *cause)
{
    *cause |= V;
    return f->nan;
}

static uint64_t add_numbers(core *c, const struct format *f, struct number a, struct number b, unsigned *cause)
{
    uint64_t r;
    if (nan_result(f, a, b, cause, &r))
        return r;
    if (a.kind == INFINITE || b.kind == INFINITE) {
        if (a.kind == INFINITE && b.kind == INFINITE && a.sign != b.sign)
            return invalid(f, cause);
        return infinity(f, a.kind == INFINITE ? a.sign : b.sign);
    }
    if (a.kind == ZERO && b.kind == ZERO)
        return pack(f, a.sign && b.sign, 0, 0);
    if (a.kind == ZERO)
        return round_pack(c, f, b.sign, b.e, b.m, cause);
    if (b.kind == ZERO)
        return round_pack(c, f, a.sign, a.e, a.m, cause);
    /* The number with the higher top bit goes to bit 124, exactly (its mantissa has at most 106 bits);
     * the other loses only bits below its sticky one. */
    int ta = top_bit(a.m) + a.e, tb = top_bit(b.m) + b.e;
    if (ta < tb) {
        struct number x = a;
        a = b;
        b = x;
    }
    int up = 124 - top_bit(a.m);
    a.m <<= up;
    a.e -= up;
    int gap = b.e - a.e;
    b.m = gap >= 0 ? b.m << gap : shift_sticky(b.m, -gap);
    u128 m;
    bool sign = a.sign;
    if (a.sign == b.sign) {
        m = a.m + b.m;
    } else if (a.m >= b.m) {
        m = a.m - b.m;
    } else {
        m = b.m - a.m;
        sign = b.sign;
    }
    if (!m)
        return pack(f, false, 0, 0); /* both rounding modes give +0 */
    return round_pack(c, f, sign, a.e, m, cause);
}

static bool multiply(struct number a, struct number b, struct number *p)
{
    p->sign = a.sign ^ b.sign;
    if (a.kind == INFINITE || b.kind == INFINITE) {
        p->kind = INFINITE;
        return a.kind != ZERO && b.kind != ZERO;
    }
    p->kind = a.kind == ZERO || b.kind == ZERO ? ZERO : FINITE;
    p->m = p->kind == ZERO ? 0 : a.m * b.m;
    p->e = a.e + b.e;
    return true;
}

static uint64_t mul_numbers(core *c, const struct format *f, struct number a, struct number b, unsigned *cause)
{
    uint64_t r;
    struct number p;
    if (nan_result(f, a, b, cause, &r))
        return r;
    if (!multiply(a, b, &p))
        return invalid(f, cause);
    return p.kind == INFINITE ? infinity(f, p.sign) : round_pack(c, f, p.sign, p.e, p.m, cause);
}

static uint64_t div_numbers(core *c, const struct format *f, struct number a, struct number b, unsigned *cause)
{
    uint64_t r;
    bool sign = a.sign ^ b.sign;
    if (nan_result(f, a, b, cause, &r))
        return r;
    if ((a.kind == INFINITE && b.kind == INFINITE) || (a.kind == ZERO && b.kind == ZERO))
        return invalid(f, cause);
    if (a.kind == INFINITE)
        return infinity(f, sign);
    if (b.kind == ZERO) {
        *cause |= Z;
        return infinity(f, sign);
    }
    if (a.kind == ZERO || b.kind == INFINITE)
        return pack(f, sign, 0, 0);
    int up = 120 - top_bit(a.m);
    u128 num = a.m << up, q = num / b.m;
    q |= num % b.m != 0;
    return round_pack(c, f, sign, a.e - up - b.e, q, cause);
}

static u128 isqrt(u128 v)
{
    u128 r = 0;
    for (int k = 63; k >= 0; k--) {
        u128 t = r | (u128)1 << k;
        if (t * t <= v)
            r = t;
    }
    return r;
}

static uint64_t sqrt_number(core *c, const struct format *f, struct number a, unsigned *cause)
{
    SLOWLY;
    if (a.kind >= QUIET)
        return a.kind == SIGNALLING ? invalid(f, cause) : f->nan;
    if (a.kind == ZERO)
        return pack(f, a.sign, 0, 0);
    if (a.sign)
        return invalid(f, cause);
    if (a.kind == INFINITE)
        return infinity(f, false);
    int up = 124 - top_bit(a.m);
    up -= (a.e - up) & 1;
    u128 v = a.m << up, r = isqrt(v);
    int e = (a.e - up) / 2;
    return round_pack(c, f, false, e - 1, r << 1 | (r * r != v), cause);
}

/* 1/sqrt(x), rounded once: floor(sqrt(2^126 / m')) with a sticky bit. */
static uint64_t reciprocal_sqrt(core *c, struct number a, unsigned *cause)
{
    SLOWLY;
    const struct format *f = &single;
    if (a.kind >= QUIET)
        return a.kind == SIGNALLING ? invalid(f, cause) : f->nan;
    if (a.kind == ZERO) {
        *cause |= Z;
        return infinity(f, a.sign);
    }
    if (a.sign)
        return invalid(f, cause);
    if (a.kind == INFINITE)
        return pack(f, false, 0, 0);
    if (a.e & 1) {
        a.m <<= 1;
        a.e -= 1;
    }
    u128 q = ((u128)1 << 126) / a.m, r = isqrt(q);
    bool sticky = r * r != q || ((u128)1 << 126) % a.m != 0;
    return round_pack(c, f, false, -63 - a.e / 2 - 1, r << 1 | sticky, cause);
}

/* sin of a 16-bit angle (65536 = one turn) as a fixed-point number of 60 fraction bits: Taylor series on an
 * octant, each product truncated. */
static int64_t taylor(int64_t x, bool cosine)
{
    int64_t x2 = (int64_t)((__int128)x * x >> 60), term = cosine ? (int64_t)1 << 60 : x, sum = term;
    for (int k = cosine ? 1 : 2; k < 20; k += 2) {
        term = -(int64_t)((__int128)term * x2 >> 60) / (k * (k + 1));
        sum += term;
    }
    return sum;
}

static int64_t sine(uint32_t angle)
{
    const int64_t turn = 0x6487ed5110b4611a; /* floor(2 pi * 2^60) */
    uint32_t a = angle & 0x3fff; /* within the quadrant */
    bool flip = angle >> 14 & 1, minus = angle >> 15 & 1;
    if (flip)
        a = 0x4000 - a;
    bool cosine = a > 0x2000;
    int64_t x = (int64_t)((__int128)turn * (cosine ? 0x4000 - a : a) >> 16);
    int64_t s = taylor(x, cosine);
    return minus ? -s : s;
}

static uint32_t fixed_to_single(core *c, int64_t v, unsigned *cause)
{
    return (uint32_t)round_pack(c, &single, v < 0, -60, v < 0 ? -(u128)v : (u128)v, cause);
}

/* Inner product of four singles: exact products, aligned to the largest with 110 bits kept below it, summed,
 * rounded once. */
static uint32_t inner_product(core *c, const uint32_t *a, const uint32_t *b, unsigned *cause)
{
    struct number p[4];
    int top = -100000;
    bool nan = false, plus = false, minus = false, all_minus = true;
    for (int k = 0; k < 4; k++) {
        struct number x = unpack(c, &single, a[k]), y = unpack(c, &single, b[k]);
        if (x.kind == SIGNALLING || y.kind == SIGNALLING)
            *cause |= V;
        if (x.kind >= QUIET || y.kind >= QUIET)
            nan = true;
        else if (!multiply(x, y, &p[k])) {
            *cause |= V;
            nan = true;
        } else if (p[k].kind == INFINITE) {
            *(p[k].sign ? &minus : &plus) = true;
        } else {
            all_minus &= p[k].sign;
            if (p[k].kind == FINITE && p[k].e > top)
                top = p[k].e;
        }
    }
    if (plus && minus)
        *cause |= V;
    if (nan || *cause & V)
        return (uint32_t)single.nan;
    if (plus || minus)
        return (uint32_t)infinity(&single, minus);
    __int128 sum = 0;
    for (int k = 0; k < 4; k++)
        if (p[k].kind == FINITE) {
            int down = top - p[k].e;
            u128 m = p[k].m << 70;
            m = down > 127 ? 0 : m >> down;
            sum += p[k].sign ? -(__int128)m : (__int128)m;
        }
    if (!sum)
        return (uint32_t)pack(&single, all_minus, 0, 0);
    return (uint32_t)round_pack(c, &single, sum < 0, top - 70, sum < 0 ? -(u128)sum : (u128)sum, cause);
}

/* Cause and flag fields, and the exception when an enabled cause is there (nothing is written then). */
static void finish(core *c, unsigned cause)
{
    c->fpscr = (c->fpscr & ~0x3f000u) | cause << 12;
    if (cause & c->fpscr >> 7 & 0x1f)
        raise_exception(c, 0x120, 0x100);
    c->fpscr |= cause << 2;
}

static void illegal(core *c) { raise_exception(c, c->in_slot ? 0x1a0 : 0x180, 0x100); }

static uint64_t get_double(const core *c, unsigned n) { return (uint64_t)c->fr[n & 14] << 32 | c->fr[n | 1]; }

static void set_double(core *c, unsigned n, uint64_t v)
{
    c->fr[n & 14] = (uint32_t)(v >> 32);
    c->fr[n | 1] = (uint32_t)v;
}

static void arithmetic(core *c, const struct insn *i)
{
    SLOWLY;
    bool wide = c->fpscr & FPSCR_PR;
    const struct format *f = wide ? &dbl : &single;
    unsigned n = i->n, m = i->m, cause = 0;
    if (wide && (n | m) & 1)
        illegal(c);
    struct number a = unpack(c, f, wide ? get_double(c, n) : c->fr[n]);
    struct number b = unpack(c, f, wide ? get_double(c, m) : c->fr[m]);
    uint64_t r;
    switch (i->op) {
    case OP_fsub:
        if (b.kind < QUIET)
            b.sign = !b.sign;
        /* fall through */
    case OP_fadd: r = add_numbers(c, f, a, b, &cause); break;
    case OP_fmul: r = mul_numbers(c, f, a, b, &cause); break;
    default: r = div_numbers(c, f, a, b, &cause);
    }
    finish(c, cause);
    if (wide)
        set_double(c, n, r);
    else
        c->fr[n] = (uint32_t)r;
}

static int order(struct number a, struct number b) /* -1 0 1; both not NaN */
{
    if (a.kind == ZERO && b.kind == ZERO)
        return 0;
    int sa = a.kind == ZERO ? 0 : a.sign ? -1 : 1, sb = b.kind == ZERO ? 0 : b.sign ? -1 : 1;
    if (sa != sb)
        return sa < sb ? -1 : 1;
    if (a.kind == INFINITE || b.kind == INFINITE)
        return a.kind == b.kind ? 0 : (a.kind == INFINITE ? sa : -sa);
    int ta = top_bit(a.m) + a.e, tb = top_bit(b.m) + b.e;
    if (ta != tb)
        return ta < tb ? -sa : sa;
    u128 ma = a.m << (100 - top_bit(a.m)), mb = b.m << (100 - top_bit(b.m));
    return ma == mb ? 0 : ma < mb ? -sa : sa;
}

static void compare(core *c, const struct insn *i)
{
    SLOWLY;
    bool wide = c->fpscr & FPSCR_PR, greater = i->op == OP_fcmpgt;
    const struct format *f = wide ? &dbl : &single;
    unsigned cause = 0;
    if (wide && (i->n | i->m) & 1)
        illegal(c);
    struct number a = unpack(c, f, wide ? get_double(c, i->n) : c->fr[i->n]);
    struct number b = unpack(c, f, wide ? get_double(c, i->m) : c->fr[i->m]);
    if (a.kind >= QUIET || b.kind >= QUIET) {
        if (greater || a.kind == SIGNALLING || b.kind == SIGNALLING)
            cause = V;
        finish(c, cause);
        c->t = 0;
        return;
    }
    finish(c, 0);
    int o = order(a, b);
    c->t = greater ? o > 0 : o == 0;
}

static void truncate_to_int(core *c, const struct insn *i)
{
    SLOWLY;
    bool wide = c->fpscr & FPSCR_PR;
    if (wide && i->n & 1)
        illegal(c);
    struct number a = unpack(c, wide ? &dbl : &single, wide ? get_double(c, i->n) : c->fr[i->n]);
    unsigned cause = 0;
    uint32_t r = 0;
    if (a.kind >= QUIET) {
        cause = V;
        r = 0x80000000;
    } else if (a.kind == INFINITE || (a.kind == FINITE && top_bit(a.m) + a.e > 30)) {
        uint64_t whole = a.kind == FINITE && top_bit(a.m) + a.e == 31 ? (uint64_t)(a.e < 0 ? a.m >> -a.e : a.m << a.e) : 0;
        if (!(a.sign && whole == 0x80000000))
            cause = V;
        r = a.sign ? 0x80000000 : 0x7fffffff;
    } else if (a.kind == FINITE) {
        r = (uint32_t)(a.e < 0 ? (a.e < -127 ? 0 : a.m >> -a.e) : a.m << a.e);
        if (a.sign)
            r = 0u - r;
    }
    finish(c, cause);
    c->fpul = r;
}

static void convert(core *c, const struct insn *i)
{
    SLOWLY;
    unsigned cause = 0;
    uint64_t r;
    if (i->op == OP_float) {
        bool wide = c->fpscr & FPSCR_PR;
        int32_t v = (int32_t)c->fpul;
        if (wide && i->n & 1)
            illegal(c);
        r = round_pack(c, wide ? &dbl : &single, v < 0, 0, v < 0 ? (u128)(-(int64_t)v) : (u128)v, &cause);
        finish(c, cause);
        if (wide)
            set_double(c, i->n, r);
        else
            c->fr[i->n] = (uint32_t)r;
        return;
    }
    if (!(c->fpscr & FPSCR_PR))
        illegal(c);
    bool widen = i->op == OP_fcnvsd;
    const struct format *to = widen ? &dbl : &single;
    struct number a = widen ? unpack(c, &single, c->fpul) : unpack(c, &dbl, get_double(c, i->n));
    if (a.kind >= QUIET)
        r = a.kind == SIGNALLING ? invalid(to, &cause) : to->nan;
    else if (a.kind == INFINITE)
        r = infinity(to, a.sign);
    else
        r = round_pack(c, to, a.sign, a.e, a.m, &cause);
    finish(c, cause);
    if (widen)
        set_double(c, i->n, r);
    else
        c->fpul = (uint32_t)r;
}

static void fused(core *c, const struct insn *i)
{
    SLOWLY;
    unsigned cause = 0;
    struct number a = unpack(c, &single, c->fr[0]), b = unpack(c, &single, c->fr[i->m]);
    struct number d = unpack(c, &single, c->fr[i->n]), p = {0};
    uint64_t r;
    if (c->fpscr & FPSCR_PR)
        illegal(c);
    if (a.kind == SIGNALLING || b.kind == SIGNALLING || d.kind == SIGNALLING)
        r = invalid(&single, &cause);
    else if (a.kind < QUIET && b.kind < QUIET && !multiply(a, b, &p))
        r = invalid(&single, &cause);
    else if (a.kind == QUIET || b.kind == QUIET || d.kind == QUIET)
        r = single.nan;
    else
        r = add_numbers(c, &single, p, d, &cause);
    finish(c, cause);
    c->fr[i->n] = (uint32_t)r;
}

static void vector(core *c, const struct insn *i)
{
    SLOWLY;
    unsigned cause = 0, n = i->n & 12;
    if (c->fpscr & FPSCR_PR)
        illegal(c);
    if (i->op == OP_fipr) {
        uint32_t r = inner_product(c, &c->fr[n], &c->fr[(i->n & 3) << 2], &cause);
        finish(c, cause);
        c->fr[n + 3] = r;
        return;
    }
    uint32_t r[4];
    for (int row = 0; row < 4; row++) {
        uint32_t column[4] = {c->xf[row], c->xf[row + 4], c->xf[row + 8], c->xf[row + 12]};
        unsigned one = 0;
        r[row] = inner_product(c, column, &c->fr[n], &one);
        cause |= one;
    }
    finish(c, cause);
    for (int row = 0; row < 4; row++)
        c->fr[n + row] = r[row];
}

/* Register moves and memory moves; SZ=1 moves pairs, an odd number names the other bank. In memory the even
 * register is first, with PR=1 the odd one: a double in little-endian order. */
static uint32_t *pair(core *c, unsigned n) { return n & 1 ? &c->xf[n & 14] : &c->fr[n]; }

static void move(core *c, const struct insn *i)
{
    bool two = c->fpscr & FPSCR_SZ, odd = c->fpscr & FPSCR_PR;
    unsigned op = i->op; /* a store may drop the decoded line this instruction lies in */
    uint32_t a, lo, hi, *p;
    switch (op) {
    case OP_fmov:
        if (two) {
            uint32_t *from = pair(c, i->m), *to = pair(c, i->n);
            to[0] = from[0];
            to[1] = from[1];
        } else {
            c->fr[i->n] = c->fr[i->m];
        }
        return;
    case OP_fmov_load: case OP_fmov_inc: case OP_fmov_lr0:
        a = c->r[i->m] + (op == OP_fmov_lr0 ? c->r[0] : 0);
        if (two) {
            if (a & 7)
                raise_address(c, a, READ);
            p = pair(c, i->n);
            lo = load(c, a, 4);
            hi = load(c, a + 4, 4);
            p[odd] = lo;
            p[!odd] = hi;
        } else {
            lo = load(c, a, 4);
            c->fr[i->n] = lo;
        }
        if (op == OP_fmov_inc)
            c->r[i->m] += two ? 8 : 4;
        return;
    default:
        a = c->r[i->n] + (op == OP_fmov_sr0 ? c->r[0] : 0) - (op == OP_fmov_dec ? (two ? 8u : 4u) : 0);
        if (two) {
            if (a & 7)
                raise_address(c, a, WRITE);
            p = pair(c, i->m);
            store(c, a, 4, p[odd]);
            store(c, a + 4, 4, p[!odd]);
        } else {
            store(c, a, 4, c->fr[i->m]);
        }
        if (op == OP_fmov_dec)
            c->r[i->n] = a;
    }
}

void fpu_execute(core *c, const struct insn *i)
{
    unsigned cause = 0;
    uint64_t r;
    switch (i->op) {
    case OP_fldi0: case OP_fldi1:
        if (c->fpscr & FPSCR_PR)
            illegal(c);
        c->fr[i->n] = i->op == OP_fldi1 ? 0x3f800000 : 0;
        return;
    case OP_flds: c->fpul = c->fr[i->n]; return;
    case OP_fsts: c->fr[i->n] = c->fpul; return;
    case OP_fabs: c->fr[i->n] &= 0x7fffffff; return; /* of FRn, whatever PR is */
    case OP_fneg: c->fr[i->n] ^= 0x80000000; return;
    case OP_fadd: case OP_fsub: case OP_fmul: case OP_fdiv: arithmetic(c, i); return;
    case OP_fcmpeq: case OP_fcmpgt: compare(c, i); return;
    case OP_fmac: fused(c, i); return;
    case OP_ftrc: truncate_to_int(c, i); return;
    case OP_float: case OP_fcnvds: case OP_fcnvsd: convert(c, i); return;
    case OP_fipr: case OP_ftrv: vector(c, i); return;
    case OP_fsqrt:
        if (c->fpscr & FPSCR_PR) {
            if (i->n & 1)
                illegal(c);
            r = sqrt_number(c, &dbl, unpack(c, &dbl, get_double(c, i->n)), &cause);
            finish(c, cause);
            set_double(c, i->n, r);
        } else {
            r = sqrt_number(c, &single, unpack(c, &single, c->fr[i->n]), &cause);
            finish(c, cause);
            c->fr[i->n] = (uint32_t)r;
        }
        return;
    case OP_fsrra:
        if (c->fpscr & FPSCR_PR)
            illegal(c);
        r = reciprocal_sqrt(c, unpack(c, &single, c->fr[i->n]), &cause);
        finish(c, cause);
        c->fr[i->n] = (uint32_t)r;
        return;
    case OP_fsca: {
        SLOWLY;
        if (c->fpscr & FPSCR_PR)
            illegal(c);
        uint32_t s = fixed_to_single(c, sine(c->fpul), &cause), k = fixed_to_single(c, sine(c->fpul + 0x4000), &cause);
        finish(c, I);
        c->fr[i->n & 14] = s;
        c->fr[i->n | 1] = k;
        return;
    }
    case OP_frchg:
        if (c->fpscr & FPSCR_PR)
            illegal(c);
        set_fpscr(c, c->fpscr ^ FPSCR_FR);
        return;
    case OP_fschg: c->fpscr ^= FPSCR_SZ; return;
    case OP_fpchg: c->fpscr ^= FPSCR_PR; return;
    default: move(c, i);
    }
}

#ifndef TIMED
#ifdef __SSE2__
#include <emmintrin.h>

/* FIPR and FTRV on the host's unit, two rows at a time: products of singles are exact in doubles, and the sum of four of
 * them is close enough to be rounded to single, unless they cancel or the sum lies near a point where rounding
 * turns. Then it says no. MXCSR rounds as FPSCR does; inexact gathers there. */
static bool rows_quickly(const core *c, const __m128d p[4], __m128d *sum)
{
    const __m128d sign = _mm_set1_pd(-0.0);
    __m128d s = _mm_add_pd(_mm_add_pd(p[0], p[1]), _mm_add_pd(p[2], p[3])), size = _mm_andnot_pd(sign, s);
    __m128d most = _mm_max_pd(_mm_max_pd(_mm_andnot_pd(sign, p[0]), _mm_andnot_pd(sign, p[1])),
                              _mm_max_pd(_mm_andnot_pd(sign, p[2]), _mm_andnot_pd(sign, p[3])));
    __m128d good = _mm_and_pd(_mm_cmpge_pd(size, _mm_mul_pd(most, _mm_set1_pd(0.0625))),
                              _mm_and_pd(_mm_cmpge_pd(size, _mm_set1_pd(0x1p-125)), _mm_cmplt_pd(size, _mm_set1_pd(0x1p127))));
    if (_mm_movemask_pd(good) != 3)
        return false;
    *sum = s;
    __m128i low32 = _mm_and_si128(_mm_add_epi32(_mm_castpd_si128(s), _mm_set1_epi32(256)), _mm_set1_epi32(0x0fffffff));
    if ((_mm_movemask_epi8(_mm_cmpgt_epi32(low32, _mm_set1_epi32(512))) & 0x0f0f) == 0x0f0f)
        return true;
    uint64_t bits[2];
    _mm_storeu_pd((double *)bits, s);
    for (int k = 0; k < 2; k++) {
        uint32_t low = (uint32_t)bits[k] & 0x1fffffff, near = 512;
        bool middle = ((low - 0x10000000u + near / 2) & 0x1fffffff) <= near;
        bool whole = ((low + near / 2) & 0x1fffffff) <= near;
        if (!whole && !middle)
            continue;
        if (middle || c->fpscr & FPSCR_RM || low)
            return false;
        /* As it stands a single: only if nothing was lost on the way, else it is inexact or another. */
        double v[4][2];
        for (int q = 0; q < 4; q++)
            _mm_storeu_pd(v[q], p[q]);
        double lost = 0, total[2];
        for (int q = 0; q < 2; q++) {
            double a = v[2 * q][k], b = v[2 * q + 1][k], t = a + b, was = t - a;
            total[q] = t;
            lost += (a - (t - was) != 0) + (b - was != 0);
        }
        double t = total[0] + total[1], was = t - total[0];
        lost += (total[0] - (t - was) != 0) + (total[1] - was != 0);
        if (lost != 0)
            return false;
    }
    return true;
}

static bool vector_quickly(core *c, const struct insn *i)
{
    __m128d p[4], s[2];
    unsigned n = i->n & 12;
    const float *f = (const float *)c->fr;
    if (i->op == OP_fipr) {
        unsigned m = (i->n & 3) << 2;
        for (int k = 0; k < 4; k++)
            p[k] = _mm_set1_pd((double)f[n + k] * (double)f[m + k]);
        if (!rows_quickly(c, p, &s[0]))
            return false;
        memcpy(c->fp_v, &c->fr[n], 16);
        memcpy(c->fp_v + 4, &c->fr[m], 16);
        _mm_store_ss((float *)&c->fr[n + 3], _mm_cvtpd_ps(s[0]));
    } else {
        const float *x = (const float *)c->xf;
        for (int half = 0; half < 2; half++) {
            for (int k = 0; k < 4; k++)
                p[k] = _mm_mul_pd(_mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64((const void *)(x + 4 * k + 2 * half)))),
                                  _mm_set1_pd((double)f[n + k]));
            if (!rows_quickly(c, p, &s[half]))
                return false;
        }
        memcpy(c->fp_v, &c->fr[n], 16);
        memcpy(c->fp_v + 4, c->xf, 64);
        _mm_storel_epi64((void *)&c->fr[n], _mm_castps_si128(_mm_cvtpd_ps(s[0])));
        _mm_storel_epi64((void *)&c->fr[n + 2], _mm_castps_si128(_mm_cvtpd_ps(s[1])));
    }
    c->fp_op = i->word;
    return true;
}
#endif

/* Generated code: operations whose operands or results are not ordinary, and those that no host instruction does. */
void fpu_quick(core *c, const struct insn *i)
{
#ifdef __SSE2__
    if (i->op == OP_fipr || i->op == OP_ftrv) {
        unsigned before = _mm_getcsr();
        if (vector_quickly(c, i))
            return;
        _mm_setcsr(before);
    }
#endif
    if (i->op != OP_frchg)
        c->fp_op = 0;
    fpu_execute(c, i);
}

/* The cause field as the last operation of generated code left it: its operands were noted, its flags are known. */
void fp_settle(core *c)
{
    MARK(ROW_FPU);
    struct insn i;
    unsigned cause = 0;
    bool wide = c->fp_op >> 16;
    const struct format *f = wide ? &dbl : &single;
    decode((uint16_t)c->fp_op, &i);
    struct number a = unpack(c, f, c->fp_a), b = unpack(c, f, c->fp_b), p = {0};
    switch (i.op) {
    case OP_fsub:
        b.sign = !b.sign;
        /* fall through */
    case OP_fadd: add_numbers(c, f, a, b, &cause); break;
    case OP_fmul: mul_numbers(c, f, a, b, &cause); break;
    case OP_fdiv: div_numbers(c, f, a, b, &cause); break;
    case OP_fsqrt: sqrt_number(c, f, a, &cause); break;
    case OP_fmac:
        multiply(a, b, &p);
        add_numbers(c, f, p, unpack(c, f, c->fp_c), &cause);
        break;
    case OP_float: {
        int32_t v = (int32_t)c->fp_a;
        round_pack(c, f, v < 0, 0, v < 0 ? (u128)(-(int64_t)v) : (u128)v, &cause);
        break;
    }
    case OP_fcnvds: round_pack(c, &single, a.sign, a.e, a.m, &cause); break;
    case OP_fipr: inner_product(c, c->fp_v, c->fp_v + 4, &cause); break;
    case OP_ftrv:
        for (int row = 0; row < 4; row++) {
            uint32_t column[4] = {c->fp_v[4 + row], c->fp_v[8 + row], c->fp_v[12 + row], c->fp_v[16 + row]};
            inner_product(c, column, c->fp_v, &cause);
        }
        break;
    }
    c->fpscr = (c->fpscr & ~0x3f000u) | cause << 12 | cause << 2;
    c->fp_op = 0;
}
#endif
