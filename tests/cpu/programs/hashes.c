/* CRC-32 and a SHA-256 compression of pseudo-random bytes: shifts, rotations, tables, logic. */
#include "start.h"
static unsigned char data[4096];
static unsigned table[256], h[8], k[64];

static unsigned rotate(unsigned x, int n) { return x >> n | x << (32 - n); }

static unsigned crc(const unsigned char *p, int n)
{
    unsigned c = ~0u;
    for (int i = 0; i < 256; i++) {
        unsigned v = i;
        for (int b = 0; b < 8; b++)
            v = v & 1 ? v >> 1 ^ 0xedb88320u : v >> 1;
        table[i] = v;
    }
    while (n--)
        c = table[(c ^ *p++) & 255] ^ c >> 8;
    return ~c;
}

static void compress(const unsigned char *p)
{
    unsigned w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (unsigned)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        unsigned a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        unsigned b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    for (int i = 0; i < 8; i++)
        s[i] = h[i];
    for (int i = 0; i < 64; i++) {
        unsigned e = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        unsigned t = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
        unsigned a = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        unsigned u = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        for (int j = 7; j > 0; j--)
            s[j] = s[j - 1];
        s[4] += t;
        s[0] = t + u;
    }
    for (int i = 0; i < 8; i++)
        h[i] += s[i];
}

static void run(void)
{
    for (int i = 0; i < 64; i++)
        k[i] = next();
    for (int i = 0; i < 8; i++)
        h[i] = next();
    for (int i = 0; i < 4096; i++)
        data[i] = (unsigned char)(next() >> 16);
    word(crc(data, 4096));
    for (int i = 0; i < 16; i++)
        compress(data + 64 * i);
    out(h, sizeof h);
}
