/* The code generator's face to the rest of the core. docs/explanation/core-tiers.md says how it works. */
#ifndef COSIM_JIT_H
#define COSIM_JIT_H

#include "core.h"

struct jit;

bool jit_open(core *c);  /* memory for code; false: none on this host, the interpreter does it all */
void jit_close(core *c);
void jit_reset(core *c); /* forget all generated code */
void jit_restart(core *c); /* and all translations: the timing model or what it caches has changed */

/* The decoded entry `i` at pc has been arrived at often: generate code from here, if it can be. */
void jit_compile(core *c, struct insn *i, uint32_t pc);
/* Run generated code from the compiled entry `i` at c->pc; false: this entry is for another address or mode, or
 * does not fit under the horizon. */
bool jit_run(core *c, const struct insn *i);
const struct insn *jit_original(core *c, const struct insn *i);

void jit_kill_line(core *c, uint32_t page, unsigned line); /* a decoded line of a RAM page was stored to */
void jit_code_page(core *c);                               /* some RAM page has its first decoded line */
void jit_unmap(core *c);                                   /* translations changed */
bool jit_slots(core *c); /* memory for all slots; false: what is remembered is to be forgotten at each change of the slot */
void jit_unmap_slot(core *c, unsigned slot); /* those of P1 and P2 too */
void jit_unmap_page(core *c, uint32_t vaddr);              /* those of one 4 KB page */

#endif
