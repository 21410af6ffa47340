/* SCIF0 as the console, 115200 8N1, and the kernel's last words. A task that meets a full transmit FIFO
 * sleeps for a tick (16 characters take 1.4 ms), so output costs no interrupt and no polling. With SHARED_SERIAL the
 * console is the serial device of SPUMONE that guests share: no register, no interrupt, the same sleep. */
#include <stdarg.h>

#include "impl.h"
#ifdef SHARED_SERIAL
#include "spumone.h"
#endif

#define LINE 96

#ifdef SHARED_SERIAL

void console_init(void)
{
}

void console_receive(void)
{
}

SIZE console_read(char *text, SIZE size)
{
    long count = spm_read(text, size);
    return count > 0 ? count : 0;
}

/* What is taken now; where there is no such device, all. */
static SIZE put(const char *text, SIZE size)
{
    long taken = spm_write(text, size);
    return taken < 0 ? size : (SIZE)taken;
}

void console_write(const char *text, SIZE size)
{
    for (SIZE taken; size; text += taken, size -= taken) {
        taken = put(text, size);
        if (!taken)
            dly_tsk(1);
    }
}

static void put_polled(const char *text, SIZE size)
{
    for (SIZE taken; size; text += taken, size -= taken)
        taken = put(text, size);
}

#else

/* Errors and breaks on the line: flags clear by reading 1, then writing 0. */
static void serial_error_handler(void)
{
    SCIF0_FSR &= ~(FSR_ER | FSR_BRK | FSR_DR);
    SCIF0_LSR &= ~LSR_ORER;
}

void console_init(void)
{
    SCIF0_SCR = 0;
    SCIF0_FCR = FCR_TFRST | FCR_RFRST;
    SCIF0_FSR &= 0;
    SCIF0_SMR = 0;
    SCIF0_BRR = BRR_115200;
    SCIF0_FCR = 0; /* RTRG = 1 character */
    SCIF0_SCR = SCR_TE | SCR_RE;
}

void console_receive(void)
{
    interrupt_define(INTNO_SCIF0_ERI, serial_error_handler);
    interrupt_define(INTNO_SCIF0_BRI, serial_error_handler);
    SCIF0_SCR = SCR_TE | SCR_RE | SCR_RIE;
}

void console_write(const char *text, SIZE size)
{
    while (size) {
        UINT room = SCIF_FIFO - SCIF0_TFDR;
        if (room == 0)
            dly_tsk(1);
        for (; room && size; room--, size--)
            SCIF0_TDR = *text++;
    }
}

static void put_polled(const char *text, SIZE size)
{
    for (; size; size--) {
        while (SCIF0_TFDR >= SCIF_FIFO)
            ;
        SCIF0_TDR = *text++;
    }
}

#endif

static SIZE put_number(char *to, UW number, UINT base, SIZE room)
{
    char digits[10];
    SIZE count = 0, size = 0;
    do {
        digits[count++] = "0123456789abcdef"[base == 16 ? number % 16 : number % 10];
        number = base == 16 ? number / 16 : number / 10;
    } while (number);
    while (count && size < room)
        to[size++] = digits[--count];
    return size;
}

static SIZE format_line(char *to, const char *format, va_list arguments)
{
    SIZE size = 0;
    for (; *format && size < LINE; format++) {
        if (*format != '%') {
            to[size++] = *format;
            continue;
        }
        switch (*++format) {
        case 's':
            for (const char *s = va_arg(arguments, const char *); *s && size < LINE; s++)
                to[size++] = *s;
            break;
        case 'x':
            size += put_number(to + size, va_arg(arguments, UW), 16, LINE - size);
            break;
        case 'd': {
            W number = va_arg(arguments, W);
            if (number < 0) {
                to[size++] = '-';
                number = -number;
            }
            size += put_number(to + size, number, 10, LINE - size);
            break;
        }
        case 'u':
            size += put_number(to + size, va_arg(arguments, UW), 10, LINE - size);
            break;
        default:
            to[size++] = *format;
        }
    }
    return size;
}

void print(const char *format, ...)
{
    char line[LINE];
    va_list arguments;
    va_start(arguments, format);
    SIZE size = format_line(line, format, arguments);
    va_end(arguments);
    console_write(line, size);
}

void panic(const char *format, ...)
{
    static const char head[] = "\r\nrtos: ", tail[] = "; stopped\r\n";
    char line[LINE];
    va_list arguments;
    va_start(arguments, format);
    SIZE size = format_line(line, format, arguments);
    va_end(arguments);
    set_sr(get_sr() | SR_IMASK);
    put_polled(head, sizeof head - 1);
    put_polled(line, size);
    put_polled(tail, sizeof tail - 1);
    halt();
}
