/* SHA-256 (FIPS 180-4) and CRC-32 (IEEE, by table) of 4096 bytes; each iteration hashes the last one's digest in. */
#include "bench.h"

static u8 text[4096];
static u32 state[8], crc_table[256];

/* The first 32 bits behind the point of the cube roots of the first 64 primes. */
static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static APART void block(const u8 *p)
{
    u32 w[64];
    for (int t = 0; t < 16; t++, p += 4)
        w[t] = (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))
    for (int t = 16; t < 64; t++) {
        u32 x = w[t - 15], y = w[t - 2];
        w[t] = w[t - 16] + (ROR(x, 7) ^ ROR(x, 18) ^ x >> 3) + w[t - 7] + (ROR(y, 17) ^ ROR(y, 19) ^ y >> 10);
    }
    u32 a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
        u32 up = h + (ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25)) + ((e & f) ^ (~e & g)) + K[t] + w[t];
        u32 down = (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + up, d = c, c = b, b = a, a = up + down;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static APART void sha256(const u8 *p, u32 size) /* a whole number of blocks */
{
    static const u32 first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    static u8 last[64];
    for (int k = 0; k < 8; k++)
        state[k] = first[k];
    for (u32 done = 0; done < size; done += 64)
        block(p + done);
    last[0] = 0x80;
    for (int k = 0; k < 4; k++)
        last[63 - k] = (u8)(size << 3 >> 8 * k);
    block(last);
}

static APART u32 crc32(const u8 *p, u32 size)
{
    u32 crc = ~0u;
    while (size--)
        crc = crc_table[(crc ^ *p++) & 255] ^ crc >> 8;
    return ~crc;
}

u32 bench(u32 iterations)
{
    u32 sum = 0;
    for (u32 k = 0; k < 256; k++) {
        u32 c = k;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
        crc_table[k] = c;
    }
    for (u32 k = 0; k < sizeof text; k++)
        text[k] = (u8)(k * 7 + (k >> 8));
    for (u32 n = 0; n < iterations; n++) {
        sha256(text, sizeof text);
        sum ^= state[0] ^ crc32(text, sizeof text);
        for (int k = 0; k < 8; k++)
            text[k] = (u8)(sum >> 4 * k);
    }
    return sum;
}
