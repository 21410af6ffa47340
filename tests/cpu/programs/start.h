/* No library: _start, write and exit by Linux system calls. Results go out as words. */
static int out(const void *p, unsigned n)
{
    register long r3 __asm__("r3") = 4, r4 __asm__("r4") = 1, r5 __asm__("r5") = (long)p, r6 __asm__("r6") = n;
    register long r0 __asm__("r0");
    __asm__ volatile("trapa #19; or r0,r0; or r0,r0" : "=r"(r0) : "r"(r3), "r"(r4), "r"(r5), "r"(r6) : "memory");
    return r0;
}
static void word(unsigned v) { out(&v, 4); }
static void run(void);
void _start(void)
{
    run();
    register long r3 __asm__("r3") = 1, r4 __asm__("r4") = 0;
    __asm__ volatile("trapa #17" : : "r"(r3), "r"(r4));
    for (;;) {}
}
static unsigned seed = 12345;
static unsigned next(void) { return seed = seed * 1103515245u + 12345u; }
