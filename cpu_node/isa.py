"""The instruction table of the SH-4A: one row an instruction, the only place where words are decoded.

Facts from the public SH-4A instruction lists; the legal set equals what binutils' ``objdump -m sh4a``
accepts (tests/cpu/test_decode.py compares all 65,536 words). Pattern letters: n and m register numbers,
i immediate, d displacement, b register bank number. Text is the assembler's, with fields in braces:
{n} {m} general registers, {fn} {fm} FPU registers, {i} {u} signed and unsigned immediate, {d1} {d2}
{d4} displacement times its scale, {b8} {b12} {pc2} {pc4} PC-relative targets.

Flags: P privileged, B changes PC (slot illegal), D delayed branch, F needs the FPU, S illegal in a
delay slot for another reason (PC-relative, writes SR).

For ``timing = "sh4a"`` (docs/reference/timing.md): the pipe an instruction takes (ex, ls, either, both),
its class (cpu_node/timing.py has each class's latency), and what it reads and writes among the tracked
results, as ``reads>writes``. A write marked + is ready at once, whatever the class (address increments,
the PR of a call). Operands: n m general registers by the letters of the pattern; r0 t gbr mac pr fpul
fpscr xf fr0; fn fm an FPU register; pn pm the same, with FPSCR.PR=1 its even-odd pair; sn sm the same, with
FPSCR.SZ=1 its pair, or xf where the number is odd; dn a pair; vn vm a vector of four.
Facts: GCC's scheduler description of the SH-4A; what it leaves out is our own decision.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """One instruction: bit pattern of 16 characters, identifier, pipe, latency class, flags, uses, text."""

    pattern: str
    name: str
    pipe: str
    latency: str
    flags: str
    uses: str
    text: str

    @property
    def reads(self) -> list[str]:
        """Tracked operands that it waits for."""
        return [x for x in self.uses.split(">")[0].split(",") if x]

    @property
    def writes(self) -> list[str]:
        """Tracked operands that are ready after the latency of its class."""
        return [x for x in self.uses.split(">")[1].split(",") if x and x[-1] != "+"]

    @property
    def writes_at_once(self) -> list[str]:
        """Tracked operands that are ready in the tick of issue."""
        return [x[:-1] for x in self.uses.split(">")[1].split(",") if x[-1:] == "+"]

    @property
    def mask(self) -> int:
        """Bits that the pattern fixes."""
        return int("".join("1" if c in "01" else "0" for c in self.pattern), 2)

    @property
    def match(self) -> int:
        """Their values."""
        return int("".join(c if c in "01" else "0" for c in self.pattern), 2)


_SOURCE = """
0110nnnnmmmm0011 mov        or  move   -   m>n                mov {m},{n}
1110nnnniiiiiiii mov_i      or  move   -   >n                 mov {i},{n}
11000111dddddddd mova       ls  mova   S   >r0                mova {pc4},r0
1001nnnndddddddd movw_pc    ls  load   S   >n                 mov.w {pc2},{n}
1101nnnndddddddd movl_pc    ls  load   S   >n                 mov.l {pc4},{n}
0110nnnnmmmm0000 movb_load  ls  load   -   m>n                mov.b @{m},{n}
0110nnnnmmmm0001 movw_load  ls  load   -   m>n                mov.w @{m},{n}
0110nnnnmmmm0010 movl_load  ls  load   -   m>n                mov.l @{m},{n}
0010nnnnmmmm0000 movb_store ls  store  -   m,n>               mov.b {m},@{n}
0010nnnnmmmm0001 movw_store ls  store  -   m,n>               mov.w {m},@{n}
0010nnnnmmmm0010 movl_store ls  store  -   m,n>               mov.l {m},@{n}
0110nnnnmmmm0100 movb_inc   ls  load   -   m>n,m+             mov.b @{m}+,{n}
0110nnnnmmmm0101 movw_inc   ls  load   -   m>n,m+             mov.w @{m}+,{n}
0110nnnnmmmm0110 movl_inc   ls  load   -   m>n,m+             mov.l @{m}+,{n}
0010nnnnmmmm0100 movb_dec   ls  store  -   m,n>n+             mov.b {m},@-{n}
0010nnnnmmmm0101 movw_dec   ls  store  -   m,n>n+             mov.w {m},@-{n}
0010nnnnmmmm0110 movl_dec   ls  store  -   m,n>n+             mov.l {m},@-{n}
10000100mmmmdddd movb_ldisp ls  load   -   m>r0               mov.b @({d1},{m}),r0
10000101mmmmdddd movw_ldisp ls  load   -   m>r0               mov.w @({d2},{m}),r0
0101nnnnmmmmdddd movl_ldisp ls  load   -   m>n                mov.l @({d4},{m}),{n}
10000000nnnndddd movb_sdisp ls  store  -   m,r0>              mov.b r0,@({d1},{n4})
10000001nnnndddd movw_sdisp ls  store  -   m,r0>              mov.w r0,@({d2},{n4})
0001nnnnmmmmdddd movl_sdisp ls  store  -   m,n>               mov.l {m},@({d4},{n})
0000nnnnmmmm1100 movb_lr0   ls  load   -   m,r0>n             mov.b @(r0,{m}),{n}
0000nnnnmmmm1101 movw_lr0   ls  load   -   m,r0>n             mov.w @(r0,{m}),{n}
0000nnnnmmmm1110 movl_lr0   ls  load   -   m,r0>n             mov.l @(r0,{m}),{n}
0000nnnnmmmm0100 movb_sr0   ls  store  -   m,n,r0>            mov.b {m},@(r0,{n})
0000nnnnmmmm0101 movw_sr0   ls  store  -   m,n,r0>            mov.w {m},@(r0,{n})
0000nnnnmmmm0110 movl_sr0   ls  store  -   m,n,r0>            mov.l {m},@(r0,{n})
11000100dddddddd movb_lgbr  ls  load   -   gbr>r0             mov.b @({d1},gbr),r0
11000101dddddddd movw_lgbr  ls  load   -   gbr>r0             mov.w @({d2},gbr),r0
11000110dddddddd movl_lgbr  ls  load   -   gbr>r0             mov.l @({d4},gbr),r0
11000000dddddddd movb_sgbr  ls  store  -   r0,gbr>            mov.b r0,@({d1},gbr)
11000001dddddddd movw_sgbr  ls  store  -   r0,gbr>            mov.w r0,@({d2},gbr)
11000010dddddddd movl_sgbr  ls  store  -   r0,gbr>            mov.l r0,@({d4},gbr)
0100nnnn10101001 movua      ls  load   -   n>r0               movua.l @{n},r0
0100nnnn11101001 movua_inc  ls  load   -   n>r0,n+            movua.l @{n}+,r0
0000nnnn01110011 movco      and co     -   n,r0>t             movco.l r0,@{n}
0000nnnn01100011 movli      and load   -   n>r0               movli.l @{n},r0
0000nnnn11000011 movca      ls  store  -   n,r0>              movca.l r0,@{n}
0000nnnn00101001 movt       ex  alu    -   t>n                movt {n}
0110nnnnmmmm1000 swapb      ex  alu    -   m>n                swap.b {m},{n}
0110nnnnmmmm1001 swapw      ex  alu    -   m>n                swap.w {m},{n}
0010nnnnmmmm1101 xtrct      ex  alu    -   m,n>n              xtrct {m},{n}
0011nnnnmmmm1100 add        ex  alu    -   m,n>n              add {m},{n}
0111nnnniiiiiiii add_i      ex  alu    -   n>n                add {i},{n}
0011nnnnmmmm1110 addc       ex  alu    -   m,n,t>n,t          addc {m},{n}
0011nnnnmmmm1111 addv       ex  alu    -   m,n>n,t            addv {m},{n}
10001000iiiiiiii cmpeq_i    or  mt     -   r0>t               cmp/eq {i},r0
0011nnnnmmmm0000 cmpeq      or  mt     -   m,n>t              cmp/eq {m},{n}
0011nnnnmmmm0010 cmphs      or  mt     -   m,n>t              cmp/hs {m},{n}
0011nnnnmmmm0011 cmpge      or  mt     -   m,n>t              cmp/ge {m},{n}
0011nnnnmmmm0110 cmphi      or  mt     -   m,n>t              cmp/hi {m},{n}
0011nnnnmmmm0111 cmpgt      or  mt     -   m,n>t              cmp/gt {m},{n}
0100nnnn00010001 cmppz      or  mt     -   n>t                cmp/pz {n}
0100nnnn00010101 cmppl      or  mt     -   n>t                cmp/pl {n}
0010nnnnmmmm1100 cmpstr     or  mt     -   m,n>t              cmp/str {m},{n}
0011nnnnmmmm0100 div1       ex  alu    -   m,n,t>n,t          div1 {m},{n}
0010nnnnmmmm0111 div0s      ex  alu    -   m,n>t              div0s {m},{n}
0000000000011001 div0u      ex  alu    -   >t                 div0u
0011nnnnmmmm1101 dmulsl     or  dmul   -   m,n>mac            dmuls.l {m},{n}
0011nnnnmmmm0101 dmulul     or  dmul   -   m,n>mac            dmulu.l {m},{n}
0100nnnn00010000 dt         ex  alu    -   n>n,t              dt {n}
0110nnnnmmmm1110 extsb      ex  alu    -   m>n                exts.b {m},{n}
0110nnnnmmmm1111 extsw      ex  alu    -   m>n                exts.w {m},{n}
0110nnnnmmmm1100 extub      ex  alu    -   m>n                extu.b {m},{n}
0110nnnnmmmm1101 extuw      ex  alu    -   m>n                extu.w {m},{n}
0000nnnnmmmm1111 macl       and mac    -   m,n,mac>mac,m+,n+  mac.l @{m}+,@{n}+
0100nnnnmmmm1111 macw       and mac    -   m,n,mac>mac,m+,n+  mac.w @{m}+,@{n}+
0000nnnnmmmm0111 mull       or  dmul   -   m,n>mac            mul.l {m},{n}
0010nnnnmmmm1111 mulsw      or  mul    -   m,n>mac            muls.w {m},{n}
0010nnnnmmmm1110 muluw      or  mul    -   m,n>mac            mulu.w {m},{n}
0110nnnnmmmm1011 neg        ex  alu    -   m>n                neg {m},{n}
0110nnnnmmmm1010 negc       ex  alu    -   m,t>n,t            negc {m},{n}
0011nnnnmmmm1000 sub        ex  alu    -   m,n>n              sub {m},{n}
0011nnnnmmmm1010 subc       ex  alu    -   m,n,t>n,t          subc {m},{n}
0011nnnnmmmm1011 subv       ex  alu    -   m,n>n,t            subv {m},{n}
0010nnnnmmmm1001 and        ex  alu    -   m,n>n              and {m},{n}
11001001iiiiiiii and_i      ex  alu    -   r0>r0              and {u},r0
11001101iiiiiiii andb_gbr   and co     -   r0,gbr>            and.b {u},@(r0,gbr)
0110nnnnmmmm0111 not        ex  alu    -   m>n                not {m},{n}
0010nnnnmmmm1011 or         ex  alu    -   m,n>n              or {m},{n}
11001011iiiiiiii or_i       ex  alu    -   r0>r0              or {u},r0
11001111iiiiiiii orb_gbr    and co     -   r0,gbr>            or.b {u},@(r0,gbr)
0100nnnn00011011 tasb       and load   -   n>t                tas.b @{n}
0010nnnnmmmm1000 tst        or  mt     -   m,n>t              tst {m},{n}
11001000iiiiiiii tst_i      or  mt     -   r0>t               tst {u},r0
11001100iiiiiiii tstb_gbr   and load   -   r0,gbr>t           tst.b {u},@(r0,gbr)
0010nnnnmmmm1010 xor        ex  alu    -   m,n>n              xor {m},{n}
11001010iiiiiiii xor_i      ex  alu    -   r0>r0              xor {u},r0
11001110iiiiiiii xorb_gbr   and co     -   r0,gbr>            xor.b {u},@(r0,gbr)
0100nnnn00000100 rotl       ex  alu    -   n>n,t              rotl {n}
0100nnnn00000101 rotr       ex  alu    -   n>n,t              rotr {n}
0100nnnn00100100 rotcl      ex  alu    -   n,t>n,t            rotcl {n}
0100nnnn00100101 rotcr      ex  alu    -   n,t>n,t            rotcr {n}
0100nnnnmmmm1100 shad       ex  alu    -   m,n>n              shad {m},{n}
0100nnnn00100000 shal       ex  alu    -   n>n,t              shal {n}
0100nnnn00100001 shar       ex  alu    -   n>n,t              shar {n}
0100nnnnmmmm1101 shld       ex  alu    -   m,n>n              shld {m},{n}
0100nnnn00000000 shll       ex  alu    -   n>n,t              shll {n}
0100nnnn00000001 shlr       ex  alu    -   n>n,t              shlr {n}
0100nnnn00001000 shll2      ex  alu    -   n>n                shll2 {n}
0100nnnn00011000 shll8      ex  alu    -   n>n                shll8 {n}
0100nnnn00101000 shll16     ex  alu    -   n>n                shll16 {n}
0100nnnn00001001 shlr2      ex  alu    -   n>n                shlr2 {n}
0100nnnn00011001 shlr8      ex  alu    -   n>n                shlr8 {n}
0100nnnn00101001 shlr16     ex  alu    -   n>n                shlr16 {n}
10001011dddddddd bf         ex  branch B   t>                 bf {b8}
10001111dddddddd bfs        ex  branch BD  t>                 bf.s {b8}
10001001dddddddd bt         ex  branch B   t>                 bt {b8}
10001101dddddddd bts        ex  branch BD  t>                 bt.s {b8}
1010dddddddddddd bra        ex  branch BD  >                  bra {b12}
0000nnnn00100011 braf       ex  jump   BD  n>                 braf {n}
1011dddddddddddd bsr        ex  branch BD  >pr+               bsr {b12}
0000nnnn00000011 bsrf       ex  jump   BD  n>pr+              bsrf {n}
0100nnnn00101011 jmp        ex  jump   BD  n>                 jmp @{n}
0100nnnn00001011 jsr        ex  jump   BD  n>pr+              jsr @{n}
0000000000001011 rts        ex  jump   BD  pr>                rts
0000000000101011 rte        and rte    PBD >t+                rte
11000011iiiiiiii trapa      and co     B   >                  trapa {u}
0000000000101000 clrmac     ex  alu    -   >mac               clrmac
0000000001001000 clrs       ex  alu    -   >                  clrs
0000000000001000 clrt       ex  alu    -   >t                 clrt
0000000001011000 sets       ex  alu    -   >                  sets
0000000000011000 sett       ex  alu    -   >t                 sett
0000000000001001 nop        or  mt     -   >                  nop
0000000000011011 sleep      and co     P   >                  sleep
0000000000111000 ldtlb      and co     P   >                  ldtlb
0000000010101011 synco      and co     -   >                  synco
0000nnnn11100011 icbi       and co     S   n>                 icbi @{n}
0000nnnn11010011 prefi      and co     S   n>                 prefi @{n}
0000nnnn10000011 pref       ls  store  -   n>                 pref @{n}
0000nnnn10010011 ocbi       ls  store  -   n>                 ocbi @{n}
0000nnnn10100011 ocbp       ls  store  -   n>                 ocbp @{n}
0000nnnn10110011 ocbwb      ls  store  -   n>                 ocbwb @{n}
0100nnnn00001110 ldc_sr     and co     PS  n>t                ldc {n},sr
0100nnnn00011110 ldc_gbr    ls  move   -   n>gbr              ldc {n},gbr
0100nnnn00101110 ldc_vbr    ls  move   P   n>                 ldc {n},vbr
0100nnnn00111110 ldc_ssr    ls  move   P   n>                 ldc {n},ssr
0100nnnn01001110 ldc_spc    ls  move   P   n>                 ldc {n},spc
0100nnnn00111010 ldc_sgr    ls  move   P   n>                 ldc {n},sgr
0100nnnn11111010 ldc_dbr    ls  move   P   n>                 ldc {n},dbr
0100nnnn1bbb1110 ldc_bank   ls  move   P   n>                 ldc {n},{bank}
0100nnnn00000111 ldcl_sr    and load   PS  n>t,n+             ldc.l @{n}+,sr
0100nnnn00010111 ldcl_gbr   ls  load   -   n>gbr,n+           ldc.l @{n}+,gbr
0100nnnn00100111 ldcl_vbr   ls  load   P   n>n+               ldc.l @{n}+,vbr
0100nnnn00110111 ldcl_ssr   ls  load   P   n>n+               ldc.l @{n}+,ssr
0100nnnn01000111 ldcl_spc   ls  load   P   n>n+               ldc.l @{n}+,spc
0100nnnn00110110 ldcl_sgr   ls  load   P   n>n+               ldc.l @{n}+,sgr
0100nnnn11110110 ldcl_dbr   ls  load   P   n>n+               ldc.l @{n}+,dbr
0100nnnn1bbb0111 ldcl_bank  ls  load   P   n>n+               ldc.l @{n}+,{bank}
0000nnnn00000010 stc_sr     and co     P   t>n                stc sr,{n}
0000nnnn00010010 stc_gbr    ls  move   -   gbr>n              stc gbr,{n}
0000nnnn00100010 stc_vbr    ls  move   P   >n                 stc vbr,{n}
0000nnnn00110010 stc_ssr    ls  move   P   >n                 stc ssr,{n}
0000nnnn01000010 stc_spc    ls  move   P   >n                 stc spc,{n}
0000nnnn00111010 stc_sgr    ls  move   P   >n                 stc sgr,{n}
0000nnnn11111010 stc_dbr    ls  move   P   >n                 stc dbr,{n}
0000nnnn1bbb0010 stc_bank   ls  move   P   >n                 stc {bank},{n}
0100nnnn00000011 stcl_sr    and co     P   t,n>n+             stc.l sr,@-{n}
0100nnnn00010011 stcl_gbr   ls  store  -   n,gbr>n+           stc.l gbr,@-{n}
0100nnnn00100011 stcl_vbr   ls  store  P   n>n+               stc.l vbr,@-{n}
0100nnnn00110011 stcl_ssr   ls  store  P   n>n+               stc.l ssr,@-{n}
0100nnnn01000011 stcl_spc   ls  store  P   n>n+               stc.l spc,@-{n}
0100nnnn00110010 stcl_sgr   ls  store  P   n>n+               stc.l sgr,@-{n}
0100nnnn11110010 stcl_dbr   ls  store  P   n>n+               stc.l dbr,@-{n}
0100nnnn1bbb0011 stcl_bank  ls  store  P   n>n+               stc.l {bank},@-{n}
0100nnnn00001010 lds_mach   or  move   -   n>mac              lds {n},mach
0100nnnn00011010 lds_macl   or  move   -   n>mac              lds {n},macl
0100nnnn00101010 lds_pr     ls  move   -   n>pr               lds {n},pr
0100nnnn00000110 ldsl_mach  ls  load   -   n>mac,n+           lds.l @{n}+,mach
0100nnnn00010110 ldsl_macl  ls  load   -   n>mac,n+           lds.l @{n}+,macl
0100nnnn00100110 ldsl_pr    ls  load   -   n>pr,n+            lds.l @{n}+,pr
0000nnnn00001010 sts_mach   and mac    -   mac>n              sts mach,{n}
0000nnnn00011010 sts_macl   and mac    -   mac>n              sts macl,{n}
0000nnnn00101010 sts_pr     ls  move   -   pr>n               sts pr,{n}
0100nnnn00000010 stsl_mach  ls  store  -   n,mac>n+           sts.l mach,@-{n}
0100nnnn00010010 stsl_macl  ls  store  -   n,mac>n+           sts.l macl,@-{n}
0100nnnn00100010 stsl_pr    ls  store  -   n,pr>n+            sts.l pr,@-{n}
0100nnnn01101010 lds_fpscr  and co     F   n>fpscr            lds {n},fpscr
0100nnnn01011010 lds_fpul   ls  fmove  F   n>fpul             lds {n},fpul
0100nnnn01100110 ldsl_fpscr and load   F   n>fpscr,n+         lds.l @{n}+,fpscr
0100nnnn01010110 ldsl_fpul  ls  load   F   n>fpul,n+          lds.l @{n}+,fpul
0000nnnn01101010 sts_fpscr  and co     F   fpscr>n            sts fpscr,{n}
0000nnnn01011010 sts_fpul   ls  fmove  F   fpul>n             sts fpul,{n}
0100nnnn01100010 stsl_fpscr and co     F   n,fpscr>n+         sts.l fpscr,@-{n}
0100nnnn01010010 stsl_fpul  ls  store  F   n,fpul>n+          sts.l fpul,@-{n}
1111nnnn10001101 fldi0      ls  fmove  F   fpscr>fn           fldi0 {fn}
1111nnnn10011101 fldi1      ls  fmove  F   fpscr>fn           fldi1 {fn}
1111nnnnmmmm1100 fmov       ls  fmove  F   sm,fpscr>sn        fmov {fm},{fn}
1111nnnnmmmm1000 fmov_load  ls  load   F   m,fpscr>sn         fmov @{m},{fn}
1111nnnnmmmm0110 fmov_lr0   ls  load   F   m,r0,fpscr>sn      fmov @(r0,{m}),{fn}
1111nnnnmmmm1001 fmov_inc   ls  load   F   m,fpscr>sn,m+      fmov @{m}+,{fn}
1111nnnnmmmm1010 fmov_store ls  store  F   sm,n,fpscr>        fmov {fm},@{n}
1111nnnnmmmm1011 fmov_dec   ls  store  F   sm,n,fpscr>n+      fmov {fm},@-{n}
1111nnnnmmmm0111 fmov_sr0   ls  store  F   sm,n,r0,fpscr>     fmov {fm},@(r0,{n})
1111nnnn00011101 flds       ls  fmove  F   fn,fpscr>fpul      flds {fn},fpul
1111nnnn00001101 fsts       ls  fmove  F   fpul,fpscr>fn      fsts fpul,{fn}
1111nnnn01011101 fabs       ls  fmove  F   fn,fpscr>fn        fabs {fn}
1111nnnn01001101 fneg       ls  fmove  F   fn,fpscr>fn        fneg {fn}
1111nnnnmmmm0000 fadd       or  fp     F   pm,pn,fpscr>pn     fadd {fm},{fn}
1111nnnnmmmm0001 fsub       or  fp     F   pm,pn,fpscr>pn     fsub {fm},{fn}
1111nnnnmmmm0010 fmul       or  fp     F   pm,pn,fpscr>pn     fmul {fm},{fn}
1111nnnnmmmm0011 fdiv       or  fdiv   F   pm,pn,fpscr>pn     fdiv {fm},{fn}
1111nnnnmmmm0100 fcmpeq     or  fcvt   F   pm,pn,fpscr>t      fcmp/eq {fm},{fn}
1111nnnnmmmm0101 fcmpgt     or  fcvt   F   pm,pn,fpscr>t      fcmp/gt {fm},{fn}
1111nnnnmmmm1110 fmac       or  fp     F   fr0,fm,fn,fpscr>fn fmac fr0,{fm},{fn}
1111nnnn01101101 fsqrt      or  fdiv   F   pn,fpscr>pn        fsqrt {fn}
1111nnnn00101101 float      or  fcvt   F   fpul,fpscr>pn      float fpul,{fn}
1111nnnn00111101 ftrc       or  fcvt   F   pn,fpscr>fpul      ftrc {fn},fpul
1111nnn010111101 fcnvds     or  fcvt   F   dn,fpscr>fpul      fcnvds {dn},fpul
1111nnn010101101 fcnvsd     or  fcvt   F   fpul,fpscr>dn      fcnvsd fpul,{dn}
1111nnmm11101101 fipr       or  fp     F   vm,vn,fpscr>vn     fipr {vm},{vn}
1111nn0111111101 ftrv       or  ftrv   F   xf,vn,fpscr>vn     ftrv xmtrx,{vn}
1111nnnn01111101 fsrra      or  fsrra  F   fn,fpscr>fn        fsrra {fn}
1111nnn011111101 fsca       or  fsca   F   fpul,fpscr>dn      fsca fpul,{dn}
1111101111111101 frchg      or  fcvt   F   fpscr>fpscr        frchg
1111001111111101 fschg      or  fcvt   F   fpscr>fpscr        fschg
1111011111111101 fpchg      or  fcvt   F   fpscr>fpscr        fpchg
"""

PIPES = ("ex", "ls", "or", "and")
LATENCIES = (
    "alu move mt mova load store mul dmul mac co branch jump rte fmove fp fcvt fdiv fsrra fsca ftrv"
).split()  # classes; those from fp on are FP arithmetic
OPERANDS = "n m r0 t gbr mac pr fpul fpscr xf fr0 fn fm pn pm sn sm dn vn vm".split()

TABLE: tuple[Row, ...] = tuple(
    Row(p, name, pipe, latency, flags.replace("-", ""), uses, text)
    for p, name, pipe, latency, flags, uses, text in (line.split(None, 6) for line in _SOURCE.strip().splitlines())
)
BY_NAME = {row.name: row for row in TABLE}


def _decode_table() -> list[Row | None]:
    words: list[Row | None] = [None] * 65536
    for row in TABLE:
        free = ~row.mask & 0xFFFF
        sub = free
        while True:  # every subset of the free bits
            words[row.match | sub] = row
            if sub == 0:
                break
            sub = (sub - 1) & free
    return words


WORDS: list[Row | None] = _decode_table()


def _numbered(prefix: str, names: Iterable[str], bits: bool = False) -> str:
    values = (f"{prefix}{name.upper()} = {1 << k if bits else k}" for k, name in enumerate(names))
    return "enum { " + ", ".join(values) + " };"


def _bits(operands: list[str]) -> str:
    return f"0x{sum(1 << OPERANDS.index(x) for x in operands):x}"


def header() -> str:
    """The C core's decode table: rows of X(), and names for their fields."""
    flags = {"P": 1, "B": 2, "D": 4, "F": 8, "S": 16}
    rows = "\n".join(
        f"X({r.name}, 0x{r.mask:04x}, 0x{r.match:04x}, {sum(flags[f] for f in r.flags)}, PIPE_{r.pipe.upper()}, "
        f"LAT_{r.latency.upper()}, {_bits(r.reads)}, {_bits(r.writes)}, {_bits(r.writes_at_once)})"
        for r in TABLE
    )
    return f"""\
/* Generated from cpu_node/isa.py by `python -m cpu_node.isa header`; do not edit.
 * X(name, mask, match, flags, pipe, latency class, operands read, written, written at once)
 * Flags: 1 privileged, 2 changes PC, 4 delayed, 8 FPU, 16 illegal in a slot. */
#ifdef X
{rows}
#else /* included without X: the names */
{_numbered("PIPE_", PIPES)}
{_numbered("LAT_", [*LATENCIES, "classes"])}
{_numbered("USE_", OPERANDS, bits=True)}
#endif
"""


def reference() -> str:
    """docs/reference/instructions.md."""
    lines = [
        "# Instructions",
        "",
        "Generated from `cpu_node/isa.py` by `python -m cpu_node.isa`; do not edit.",
        "",
        "P privileged, B changes PC, D delayed, F FPU, S illegal in a delay slot.",
        "",
        "Pipe, class, and what is read and written (`reads>writes`) are those of [timing](timing.md); a write marked +",
        "is ready at once. n m general registers, fn fm FPU registers, pn pm a pair with FPSCR.PR=1, sn sm a pair (xf",
        "where odd) with FPSCR.SZ=1, dn a pair, vn vm a vector.",
        "",
        "| pattern | instruction | flags | pipe | class | uses |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| `{r.pattern}` | `{r.text}` | {r.flags} | {r.pipe} | {r.latency} | `{r.uses}` |" for r in TABLE]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    print(header() if "header" in sys.argv else reference(), end="")
