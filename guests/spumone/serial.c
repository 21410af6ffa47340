/* The virtual serial device: guests share one SCIF, which is SPUMONE's own. A guest writes and reads by calls; what it
 * cannot take or give at once it asks again for, so nothing is lost on the way.
 *
 * On the wire a DLE (0x10) and '0' + n say whose the following characters are, in either direction; two DLE are one of
 * the data. DLE and 'A' + n ask the other side to send nothing for guest n, DLE and 'a' + n to go on. */
#include "spumone.h"
#include "calls.h"

#define SCIF8(offset) (*(volatile unsigned char *)(spm_table.serial + (offset)))
#define SCIF16(offset) (*(volatile unsigned short *)(spm_table.serial + (offset)))
#define SMR SCIF16(0x00)
#define BRR SCIF8(0x04)
#define SCR SCIF16(0x08)
#define TDR SCIF8(0x0c)
#define FSR SCIF16(0x10)
#define RDR SCIF8(0x14)
#define FCR SCIF16(0x18)
#define TFDR SCIF16(0x1c)
#define RFDR SCIF16(0x20)
#define LSR SCIF16(0x28)
#define TIE 0x80
#define RIE 0x40
#define TE 0x20
#define RE 0x10
#define FIFO 16
#define BRR_115200 8

#define DLE 0x10
#define ROOM 256   /* characters that wait for a guest, or of one; a power of 2 */
#define FULL 192   /* so many wait: the other side is to stop; it may send what is under way */
#define EMPTY 64   /* and go on */
#define AT_ONCE 4  /* characters moved each way in one interrupt: what holds others up */
#define TURN 64    /* characters of one guest before another's */
#define PER_CALL 32

struct ring {
    unsigned int head, tail; /* count up for ever */
    unsigned char at[ROOM];
};

static struct {
    struct ring out, in;
    int stopped, say; /* the other side is stopped; or to be told so */
} channels[MAX_GUESTS];

static int out_channel, in_channel, in_escape, turn;
static unsigned char next[2]; /* of a sequence, to be sent first */
static int next_count, lost;

static unsigned int fill(const struct ring *r)
{
    return r->head - r->tail;
}

static void sequence(unsigned char what)
{
    TDR = DLE;
    next[0] = what;
    next_count = 1;
}

/* One character goes into the FIFO; 0 if there is none. */
static int send(void)
{
    if (next_count) {
        next_count = 0;
        TDR = next[0];
        return 1;
    }
    for (unsigned int n = 0; n < spm_table.guests; n++)
        if (channels[n].say) {
            channels[n].say = 0;
            sequence((channels[n].stopped ? 'A' : 'a') + n);
            return 1;
        }
    unsigned int n = out_channel < 0 ? 0 : out_channel;
    if (turn >= TURN)
        n = n + 1 < spm_table.guests ? n + 1 : 0;
    for (unsigned int tried = 0; !fill(&channels[n].out); n = n + 1 < spm_table.guests ? n + 1 : 0)
        if (++tried > spm_table.guests)
            return 0;
    if ((int)n != out_channel || turn >= TURN)
        turn = 0;
    if ((int)n != out_channel) {
        out_channel = n;
        sequence('0' + n);
        return 1;
    }
    struct ring *r = &channels[n].out;
    unsigned char c = r->at[r->tail++ % ROOM];
    turn++;
    if (c == DLE)
        sequence(DLE);
    else
        TDR = c;
    return 1;
}

static void receive(unsigned char c)
{
    if (in_escape) {
        in_escape = 0;
        if (c != DLE) {
            if (c >= '0' && c < '0' + spm_table.guests)
                in_channel = c - '0';
            return;
        }
    } else if (c == DLE) {
        in_escape = 1;
        return;
    }
    struct ring *r = &channels[in_channel].in;
    if (fill(r) == ROOM) {
        if (!lost++)
            tell(TOLD_LOST, at(in_channel), c, 0);
        return;
    }
    r->at[r->head++ % ROOM] = c;
    if (fill(r) >= FULL && !channels[in_channel].stopped)
        channels[in_channel].stopped = channels[in_channel].say = 1;
}

void serial_init(void)
{
    if (!spm_table.serial)
        return;
    out_channel = -1;
    SCR = 0;
    FCR = 6; /* both FIFOs reset */
    FSR &= 0;
    SMR = 0;
    BRR = BRR_115200;
    FCR = 0;
    SCR = TE | RE | RIE;
    unsigned long shift = spm_table.serial & 0x10000 ? 16 : 24; /* SCIF1, SCIF0 */
    REG32(INT2PRI2) = (REG32(INT2PRI2) & ~(0x1ful << shift)) | spm_table.serial_level << (shift + 1);
    REG32(INT2MSKCR) = shift == 16 ? 0x10 : 0x08;
}

/* Any of its interrupts. */
void serial_interrupt(void)
{
    unsigned int flags = FSR;
    unsigned int count = RFDR;
    for (unsigned int k = 0; k < AT_ONCE && k < count; k++)
        receive(RDR);
    unsigned int room = FIFO - TFDR;
    unsigned int more = 1;
    if (SCR & TIE) {
        for (unsigned int k = 0; more && k < AT_ONCE && k < room; k++)
            more = send();
        if (!more)
            SCR = TE | RE | RIE;
    }
    for (unsigned int n = 0; n < spm_table.guests; n++)
        if (channels[n].say)
            SCR = TE | RE | RIE | TIE;
    FSR = ~flags;
    if (LSR & 1)
        LSR = 0;
}

/* Characters are copied from and to a guest's memory, P1 or P2, by SPUMONE: nothing of it may lie outside. */
static int outside(unsigned long address, unsigned long size)
{
    const struct guest *g = &spm_table.guest[current->index];
    unsigned long place = (address & 0x1fffffff) - g->memory;
    return address >> 30 != 2 || place >= g->size || size > g->size - place;
}

long serve_write(unsigned long text, unsigned long size)
{
    struct ring *r = &channels[current->index].out;
    const unsigned char *from = (const unsigned char *)text;
    if (!spm_table.serial)
        return SPM_ENOSYS;
    if (outside(text, size))
        return SPM_EINVAL;
    unsigned long count = 0;
    while (count < size && count < PER_CALL && fill(r) < ROOM)
        r->at[r->head++ % ROOM] = from[count++];
    if (count)
        SCR = TE | RE | RIE | TIE;
    return count;
}

long serve_read(unsigned long buffer, unsigned long size)
{
    struct ring *r = &channels[current->index].in;
    unsigned char *to = (unsigned char *)buffer;
    if (!spm_table.serial)
        return SPM_ENOSYS;
    if (outside(buffer, size))
        return SPM_EINVAL;
    unsigned long count = 0;
    while (count < size && count < PER_CALL && fill(r))
        to[count++] = r->at[r->tail++ % ROOM];
    if (channels[current->index].stopped && fill(r) <= EMPTY) {
        channels[current->index].stopped = 0;
        channels[current->index].say = 1;
        SCR = TE | RE | RIE | TIE;
    }
    return count;
}
