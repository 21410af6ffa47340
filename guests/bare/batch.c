/* A guest without a kernel, for the time that others leave: counts primes, and says how far it is on the serial device
 * of SPUMONE that guests share. It takes no interrupt, so it gives no vectors, and it never waits.
 * Linked at 0x8e800000, the upper half of the RTOS's range; its stack ends with that. */
#include "spumone.h"

#define LINE 64
#define EACH 20000

__asm__(".section .text.start, \"ax\"\n"
        ".global _start\n"
        "_start: mov.l 1f, r15\n"
        "mov.l 2f, r0\n"
        "jmp @r0\n"
        "nop\n"
        ".balign 4\n"
        "1: .long 0x8f000000\n"
        "2: .long main\n");

static void say(const char *text, unsigned long size)
{
    while (size) {
        long taken = spm_write(text, size);
        if (taken < 0)
            return;
        text += taken;
        size -= taken;
    }
}

static char *put_number(char *to, unsigned long number)
{
    char digits[10];
    int count = 0;
    do {
        digits[count++] = '0' + number % 10;
        number /= 10;
    } while (number);
    while (count)
        *to++ = digits[--count];
    return to;
}

static char *put_text(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    return to;
}

static int is_prime(unsigned long number)
{
    for (unsigned long k = 2; k * k <= number; k++)
        if (number % k == 0)
            return 0;
    return 1;
}

int main(void)
{
    char line[LINE];
    unsigned long primes = 0;
    for (unsigned long number = 2;; number++) {
        primes += is_prime(number);
        if (number % EACH == 0) {
            char *end = put_text(put_number(put_text(line, "batch: "), primes), " primes up to ");
            end = put_text(put_number(end, number), "\r\n");
            say(line, end - line);
        }
    }
}
