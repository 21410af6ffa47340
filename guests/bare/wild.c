/* Bare program that goes wrong: jumps to 0x0badf00c, where nothing answers. SR.BL is 1 and no vector is set,
 * so the exception that follows resets the CPU: what the simulator says about that is the test. */
int main(void)
{
    ((void (*)(void))0x0badf00c)();
    return 0;
}
