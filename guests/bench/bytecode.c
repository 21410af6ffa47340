/* A stack machine's interpreter: a switch in a loop, so a hard-to-guess indirect jump every few instructions. Its
 * program counts the steps of the Collatz sequences of 1 to 200 and mixes them up in its memory. */
#include "bench.h"

enum op { PUSH, LOAD, STORE, ADD, SHIFT, TRIPLE, ODD, LESS, JUMP, BRANCH, CALL, RETURN, MIX, HALT };

enum { N, X, STEPS, SUM }; /* the program's variables */
static u32 memory[16], stack[32];

static const u8 program[] = {
    /*  0 */ PUSH, 1, STORE, N,
    /*  4 */ LOAD, N, STORE, X, PUSH, 0, STORE, STEPS, CALL, 28,
    /* 14 */ LOAD, SUM, LOAD, STEPS, MIX, STORE, SUM,
    /* 21 */ LOAD, N, PUSH, 1, ADD, JUMP, 65,
    /* 28 */ PUSH, 1, LOAD, X, LESS, BRANCH, 36, RETURN,
    /* 36 */ LOAD, X, ODD, BRANCH, 48,
    /* 41 */ LOAD, X, SHIFT, STORE, X, JUMP, 53,
    /* 48 */ LOAD, X, TRIPLE, STORE, X,
    /* 53 */ CALL, 57, JUMP, 28,
    /* 57 */ LOAD, STEPS, PUSH, 1, ADD, STORE, STEPS, RETURN,
    /* 65 */ STORE, N, LOAD, N, PUSH, 201, LESS, BRANCH, 4, HALT,
};

static APART u32 interpret(const u8 *code)
{
    const u8 *pc = code;
    u32 *top = stack, executed = 0, value;
    for (;; executed++)
        switch (*pc++) {
        case PUSH: *++top = *pc++; break;
        case LOAD: *++top = memory[*pc++]; break;
        case STORE: memory[*pc++] = *top--; break;
        case ADD: value = *top--, *top += value; break;
        case SHIFT: *top >>= 1; break;
        case TRIPLE: *top = *top * 3 + 1; break;
        case ODD: *top &= 1; break;
        case LESS: value = *top--, *top = *top < value; break;
        case JUMP: pc = code + *pc; break;
        case BRANCH: pc = *top-- ? code + *pc : pc + 1; break;
        case CALL: *++top = (u32)(pc + 1 - code), pc = code + *pc; break;
        case RETURN: pc = code + *top--; break;
        case MIX: value = *top--, *top = (*top << 5) + *top + value; break;
        default: return executed;
        }
}

u32 bench(u32 iterations)
{
    u32 sum = 0;
    for (u32 n = 0; n < iterations; n++) {
        sum += interpret(program);
        sum = (sum << 1 | sum >> 31) ^ memory[SUM];
    }
    return sum;
}
