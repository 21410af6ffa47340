"""The instruction table of the SH-4A: one row an instruction, the only place where words are decoded.

Facts from the public SH-4A instruction lists; the legal set equals what binutils' ``objdump -m sh4a``
accepts (tests/cpu/test_decode.py compares all 65,536 words). Pattern letters: n and m register numbers,
i immediate, d displacement, b register bank number. Text is the assembler's, with fields in braces:
{n} {m} general registers, {fn} {fm} FPU registers, {i} {u} signed and unsigned immediate, {d1} {d2}
{d4} displacement times its scale, {b8} {b12} {pc2} {pc4} PC-relative targets.

Flags: P privileged, B changes PC (slot illegal), D delayed branch, F needs the FPU, S illegal in a
delay slot for another reason (PC-relative, writes SR). Class: issue class of the pipeline
(facts: EX MT LS BR FE CO), used by the timing model to come.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One instruction: bit pattern of 16 characters, identifier, assembler text, flags, issue class."""

    pattern: str
    name: str
    text: str
    flags: str
    group: str

    @property
    def mask(self) -> int:
        """Bits that the pattern fixes."""
        return int("".join("1" if c in "01" else "0" for c in self.pattern), 2)

    @property
    def match(self) -> int:
        """Their values."""
        return int("".join(c if c in "01" else "0" for c in self.pattern), 2)


_SOURCE = """
0110nnnnmmmm0011 mov        MT -   mov {m},{n}
1110nnnniiiiiiii mov_i      EX -   mov {i},{n}
11000111dddddddd mova       EX S   mova {pc4},r0
1001nnnndddddddd movw_pc    LS S   mov.w {pc2},{n}
1101nnnndddddddd movl_pc    LS S   mov.l {pc4},{n}
0110nnnnmmmm0000 movb_load  LS -   mov.b @{m},{n}
0110nnnnmmmm0001 movw_load  LS -   mov.w @{m},{n}
0110nnnnmmmm0010 movl_load  LS -   mov.l @{m},{n}
0010nnnnmmmm0000 movb_store LS -   mov.b {m},@{n}
0010nnnnmmmm0001 movw_store LS -   mov.w {m},@{n}
0010nnnnmmmm0010 movl_store LS -   mov.l {m},@{n}
0110nnnnmmmm0100 movb_inc   LS -   mov.b @{m}+,{n}
0110nnnnmmmm0101 movw_inc   LS -   mov.w @{m}+,{n}
0110nnnnmmmm0110 movl_inc   LS -   mov.l @{m}+,{n}
0010nnnnmmmm0100 movb_dec   LS -   mov.b {m},@-{n}
0010nnnnmmmm0101 movw_dec   LS -   mov.w {m},@-{n}
0010nnnnmmmm0110 movl_dec   LS -   mov.l {m},@-{n}
10000100mmmmdddd movb_ldisp LS -   mov.b @({d1},{m}),r0
10000101mmmmdddd movw_ldisp LS -   mov.w @({d2},{m}),r0
0101nnnnmmmmdddd movl_ldisp LS -   mov.l @({d4},{m}),{n}
10000000nnnndddd movb_sdisp LS -   mov.b r0,@({d1},{n4})
10000001nnnndddd movw_sdisp LS -   mov.w r0,@({d2},{n4})
0001nnnnmmmmdddd movl_sdisp LS -   mov.l {m},@({d4},{n})
0000nnnnmmmm1100 movb_lr0   LS -   mov.b @(r0,{m}),{n}
0000nnnnmmmm1101 movw_lr0   LS -   mov.w @(r0,{m}),{n}
0000nnnnmmmm1110 movl_lr0   LS -   mov.l @(r0,{m}),{n}
0000nnnnmmmm0100 movb_sr0   LS -   mov.b {m},@(r0,{n})
0000nnnnmmmm0101 movw_sr0   LS -   mov.w {m},@(r0,{n})
0000nnnnmmmm0110 movl_sr0   LS -   mov.l {m},@(r0,{n})
11000100dddddddd movb_lgbr  LS -   mov.b @({d1},gbr),r0
11000101dddddddd movw_lgbr  LS -   mov.w @({d2},gbr),r0
11000110dddddddd movl_lgbr  LS -   mov.l @({d4},gbr),r0
11000000dddddddd movb_sgbr  LS -   mov.b r0,@({d1},gbr)
11000001dddddddd movw_sgbr  LS -   mov.w r0,@({d2},gbr)
11000010dddddddd movl_sgbr  LS -   mov.l r0,@({d4},gbr)
0100nnnn10101001 movua      LS -   movua.l @{n},r0
0100nnnn11101001 movua_inc  LS -   movua.l @{n}+,r0
0000nnnn01110011 movco      CO -   movco.l r0,@{n}
0000nnnn01100011 movli      CO -   movli.l @{n},r0
0000nnnn11000011 movca      LS -   movca.l r0,@{n}
0000nnnn00101001 movt       EX -   movt {n}
0110nnnnmmmm1000 swapb      EX -   swap.b {m},{n}
0110nnnnmmmm1001 swapw      EX -   swap.w {m},{n}
0010nnnnmmmm1101 xtrct      EX -   xtrct {m},{n}
0011nnnnmmmm1100 add        EX -   add {m},{n}
0111nnnniiiiiiii add_i      EX -   add {i},{n}
0011nnnnmmmm1110 addc       EX -   addc {m},{n}
0011nnnnmmmm1111 addv       EX -   addv {m},{n}
10001000iiiiiiii cmpeq_i    MT -   cmp/eq {i},r0
0011nnnnmmmm0000 cmpeq      MT -   cmp/eq {m},{n}
0011nnnnmmmm0010 cmphs      MT -   cmp/hs {m},{n}
0011nnnnmmmm0011 cmpge      MT -   cmp/ge {m},{n}
0011nnnnmmmm0110 cmphi      MT -   cmp/hi {m},{n}
0011nnnnmmmm0111 cmpgt      MT -   cmp/gt {m},{n}
0100nnnn00010001 cmppz      MT -   cmp/pz {n}
0100nnnn00010101 cmppl      MT -   cmp/pl {n}
0010nnnnmmmm1100 cmpstr     MT -   cmp/str {m},{n}
0011nnnnmmmm0100 div1       EX -   div1 {m},{n}
0010nnnnmmmm0111 div0s      EX -   div0s {m},{n}
0000000000011001 div0u      EX -   div0u
0011nnnnmmmm1101 dmulsl     EX -   dmuls.l {m},{n}
0011nnnnmmmm0101 dmulul     EX -   dmulu.l {m},{n}
0100nnnn00010000 dt         EX -   dt {n}
0110nnnnmmmm1110 extsb      EX -   exts.b {m},{n}
0110nnnnmmmm1111 extsw      EX -   exts.w {m},{n}
0110nnnnmmmm1100 extub      EX -   extu.b {m},{n}
0110nnnnmmmm1101 extuw      EX -   extu.w {m},{n}
0000nnnnmmmm1111 macl       CO -   mac.l @{m}+,@{n}+
0100nnnnmmmm1111 macw       CO -   mac.w @{m}+,@{n}+
0000nnnnmmmm0111 mull       EX -   mul.l {m},{n}
0010nnnnmmmm1111 mulsw      EX -   muls.w {m},{n}
0010nnnnmmmm1110 muluw      EX -   mulu.w {m},{n}
0110nnnnmmmm1011 neg        EX -   neg {m},{n}
0110nnnnmmmm1010 negc       EX -   negc {m},{n}
0011nnnnmmmm1000 sub        EX -   sub {m},{n}
0011nnnnmmmm1010 subc       EX -   subc {m},{n}
0011nnnnmmmm1011 subv       EX -   subv {m},{n}
0010nnnnmmmm1001 and        EX -   and {m},{n}
11001001iiiiiiii and_i      EX -   and {u},r0
11001101iiiiiiii andb_gbr   CO -   and.b {u},@(r0,gbr)
0110nnnnmmmm0111 not        EX -   not {m},{n}
0010nnnnmmmm1011 or         EX -   or {m},{n}
11001011iiiiiiii or_i       EX -   or {u},r0
11001111iiiiiiii orb_gbr    CO -   or.b {u},@(r0,gbr)
0100nnnn00011011 tasb       CO -   tas.b @{n}
0010nnnnmmmm1000 tst        MT -   tst {m},{n}
11001000iiiiiiii tst_i      MT -   tst {u},r0
11001100iiiiiiii tstb_gbr   CO -   tst.b {u},@(r0,gbr)
0010nnnnmmmm1010 xor        EX -   xor {m},{n}
11001010iiiiiiii xor_i      EX -   xor {u},r0
11001110iiiiiiii xorb_gbr   CO -   xor.b {u},@(r0,gbr)
0100nnnn00000100 rotl       EX -   rotl {n}
0100nnnn00000101 rotr       EX -   rotr {n}
0100nnnn00100100 rotcl      EX -   rotcl {n}
0100nnnn00100101 rotcr      EX -   rotcr {n}
0100nnnnmmmm1100 shad       EX -   shad {m},{n}
0100nnnn00100000 shal       EX -   shal {n}
0100nnnn00100001 shar       EX -   shar {n}
0100nnnnmmmm1101 shld       EX -   shld {m},{n}
0100nnnn00000000 shll       EX -   shll {n}
0100nnnn00000001 shlr       EX -   shlr {n}
0100nnnn00001000 shll2      EX -   shll2 {n}
0100nnnn00011000 shll8      EX -   shll8 {n}
0100nnnn00101000 shll16     EX -   shll16 {n}
0100nnnn00001001 shlr2      EX -   shlr2 {n}
0100nnnn00011001 shlr8      EX -   shlr8 {n}
0100nnnn00101001 shlr16     EX -   shlr16 {n}
10001011dddddddd bf         BR B   bf {b8}
10001111dddddddd bfs        BR BD  bf.s {b8}
10001001dddddddd bt         BR B   bt {b8}
10001101dddddddd bts        BR BD  bt.s {b8}
1010dddddddddddd bra        BR BD  bra {b12}
0000nnnn00100011 braf       BR BD  braf {n}
1011dddddddddddd bsr        BR BD  bsr {b12}
0000nnnn00000011 bsrf       BR BD  bsrf {n}
0100nnnn00101011 jmp        BR BD  jmp @{n}
0100nnnn00001011 jsr        BR BD  jsr @{n}
0000000000001011 rts        BR BD  rts
0000000000101011 rte        CO PBD rte
11000011iiiiiiii trapa      CO B   trapa {u}
0000000000101000 clrmac     EX -   clrmac
0000000001001000 clrs       EX -   clrs
0000000000001000 clrt       EX -   clrt
0000000001011000 sets       EX -   sets
0000000000011000 sett       EX -   sett
0000000000001001 nop        MT -   nop
0000000000011011 sleep      CO P   sleep
0000000000111000 ldtlb      CO P   ldtlb
0000000010101011 synco      CO -   synco
0000nnnn11100011 icbi       CO -   icbi @{n}
0000nnnn11010011 prefi      CO -   prefi @{n}
0000nnnn10000011 pref       LS -   pref @{n}
0000nnnn10010011 ocbi       LS -   ocbi @{n}
0000nnnn10100011 ocbp       LS -   ocbp @{n}
0000nnnn10110011 ocbwb      LS -   ocbwb @{n}
0100nnnn00001110 ldc_sr     CO PS  ldc {n},sr
0100nnnn00011110 ldc_gbr    LS -   ldc {n},gbr
0100nnnn00101110 ldc_vbr    LS P   ldc {n},vbr
0100nnnn00111110 ldc_ssr    LS P   ldc {n},ssr
0100nnnn01001110 ldc_spc    LS P   ldc {n},spc
0100nnnn00111010 ldc_sgr    LS P   ldc {n},sgr
0100nnnn11111010 ldc_dbr    LS P   ldc {n},dbr
0100nnnn1bbb1110 ldc_bank   LS P   ldc {n},{bank}
0100nnnn00000111 ldcl_sr    CO PS  ldc.l @{n}+,sr
0100nnnn00010111 ldcl_gbr   LS -   ldc.l @{n}+,gbr
0100nnnn00100111 ldcl_vbr   LS P   ldc.l @{n}+,vbr
0100nnnn00110111 ldcl_ssr   LS P   ldc.l @{n}+,ssr
0100nnnn01000111 ldcl_spc   LS P   ldc.l @{n}+,spc
0100nnnn00110110 ldcl_sgr   LS P   ldc.l @{n}+,sgr
0100nnnn11110110 ldcl_dbr   LS P   ldc.l @{n}+,dbr
0100nnnn1bbb0111 ldcl_bank  LS P   ldc.l @{n}+,{bank}
0000nnnn00000010 stc_sr     CO P   stc sr,{n}
0000nnnn00010010 stc_gbr    LS -   stc gbr,{n}
0000nnnn00100010 stc_vbr    LS P   stc vbr,{n}
0000nnnn00110010 stc_ssr    LS P   stc ssr,{n}
0000nnnn01000010 stc_spc    LS P   stc spc,{n}
0000nnnn00111010 stc_sgr    LS P   stc sgr,{n}
0000nnnn11111010 stc_dbr    LS P   stc dbr,{n}
0000nnnn1bbb0010 stc_bank   LS P   stc {bank},{n}
0100nnnn00000011 stcl_sr    CO P   stc.l sr,@-{n}
0100nnnn00010011 stcl_gbr   LS -   stc.l gbr,@-{n}
0100nnnn00100011 stcl_vbr   LS P   stc.l vbr,@-{n}
0100nnnn00110011 stcl_ssr   LS P   stc.l ssr,@-{n}
0100nnnn01000011 stcl_spc   LS P   stc.l spc,@-{n}
0100nnnn00110010 stcl_sgr   LS P   stc.l sgr,@-{n}
0100nnnn11110010 stcl_dbr   LS P   stc.l dbr,@-{n}
0100nnnn1bbb0011 stcl_bank  LS P   stc.l {bank},@-{n}
0100nnnn00001010 lds_mach   LS -   lds {n},mach
0100nnnn00011010 lds_macl   LS -   lds {n},macl
0100nnnn00101010 lds_pr     LS -   lds {n},pr
0100nnnn00000110 ldsl_mach  LS -   lds.l @{n}+,mach
0100nnnn00010110 ldsl_macl  LS -   lds.l @{n}+,macl
0100nnnn00100110 ldsl_pr    LS -   lds.l @{n}+,pr
0000nnnn00001010 sts_mach   LS -   sts mach,{n}
0000nnnn00011010 sts_macl   LS -   sts macl,{n}
0000nnnn00101010 sts_pr     LS -   sts pr,{n}
0100nnnn00000010 stsl_mach  LS -   sts.l mach,@-{n}
0100nnnn00010010 stsl_macl  LS -   sts.l macl,@-{n}
0100nnnn00100010 stsl_pr    LS -   sts.l pr,@-{n}
0100nnnn01101010 lds_fpscr  CO F   lds {n},fpscr
0100nnnn01011010 lds_fpul   LS F   lds {n},fpul
0100nnnn01100110 ldsl_fpscr CO F   lds.l @{n}+,fpscr
0100nnnn01010110 ldsl_fpul  LS F   lds.l @{n}+,fpul
0000nnnn01101010 sts_fpscr  LS F   sts fpscr,{n}
0000nnnn01011010 sts_fpul   LS F   sts fpul,{n}
0100nnnn01100010 stsl_fpscr LS F   sts.l fpscr,@-{n}
0100nnnn01010010 stsl_fpul  LS F   sts.l fpul,@-{n}
1111nnnn10001101 fldi0      LS F   fldi0 {fn}
1111nnnn10011101 fldi1      LS F   fldi1 {fn}
1111nnnnmmmm1100 fmov       LS F   fmov {fm},{fn}
1111nnnnmmmm1000 fmov_load  LS F   fmov @{m},{fn}
1111nnnnmmmm0110 fmov_lr0   LS F   fmov @(r0,{m}),{fn}
1111nnnnmmmm1001 fmov_inc   LS F   fmov @{m}+,{fn}
1111nnnnmmmm1010 fmov_store LS F   fmov {fm},@{n}
1111nnnnmmmm1011 fmov_dec   LS F   fmov {fm},@-{n}
1111nnnnmmmm0111 fmov_sr0   LS F   fmov {fm},@(r0,{n})
1111nnnn00011101 flds       LS F   flds {fn},fpul
1111nnnn00001101 fsts       LS F   fsts fpul,{fn}
1111nnnn01011101 fabs       LS F   fabs {fn}
1111nnnn01001101 fneg       LS F   fneg {fn}
1111nnnnmmmm0000 fadd       FE F   fadd {fm},{fn}
1111nnnnmmmm0001 fsub       FE F   fsub {fm},{fn}
1111nnnnmmmm0010 fmul       FE F   fmul {fm},{fn}
1111nnnnmmmm0011 fdiv       FE F   fdiv {fm},{fn}
1111nnnnmmmm0100 fcmpeq     FE F   fcmp/eq {fm},{fn}
1111nnnnmmmm0101 fcmpgt     FE F   fcmp/gt {fm},{fn}
1111nnnnmmmm1110 fmac       FE F   fmac fr0,{fm},{fn}
1111nnnn01101101 fsqrt      FE F   fsqrt {fn}
1111nnnn00101101 float      FE F   float fpul,{fn}
1111nnnn00111101 ftrc       FE F   ftrc {fn},fpul
1111nnn010111101 fcnvds     FE F   fcnvds {dn},fpul
1111nnn010101101 fcnvsd     FE F   fcnvsd fpul,{dn}
1111nnmm11101101 fipr       FE F   fipr {vm},{vn}
1111nn0111111101 ftrv       FE F   ftrv xmtrx,{vn}
1111nnnn01111101 fsrra      FE F   fsrra {fn}
1111nnn011111101 fsca       FE F   fsca fpul,{dn}
1111101111111101 frchg      FE F   frchg
1111001111111101 fschg      FE F   fschg
1111011111111101 fpchg      FE F   fpchg
"""

TABLE: tuple[Row, ...] = tuple(
    Row(p, name, text, flags.replace("-", ""), group)
    for p, name, group, flags, text in (line.split(None, 4) for line in _SOURCE.strip().splitlines())
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


def header() -> str:
    """The C core's decode table: ``X(name, mask, match, flags)`` rows."""
    bits = {"P": 1, "B": 2, "D": 4, "F": 8, "S": 16}
    rows = "\n".join(f"X({r.name}, 0x{r.mask:04x}, 0x{r.match:04x}, {sum(bits[f] for f in r.flags)})" for r in TABLE)
    return (
        "/* Generated from cpu_node/isa.py by `python -m cpu_node.isa header`; do not edit.\n"
        " * Flags: 1 privileged, 2 changes PC, 4 delayed, 8 FPU, 16 illegal in a slot. */\n" + rows + "\n"
    )


def reference() -> str:
    """docs/reference/instructions.md."""
    lines = [
        "# Instructions",
        "",
        "Generated from `cpu_node/isa.py` by `python -m cpu_node.isa`; do not edit.",
        "",
        "P privileged, B changes PC, D delayed, F FPU, S illegal in a delay slot.",
        "",
        "| pattern | instruction | flags | group |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{r.pattern}` | `{r.text}` | {r.flags} | {r.group} |" for r in TABLE]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    print(header() if "header" in sys.argv else reference(), end="")
