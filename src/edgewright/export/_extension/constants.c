/* Weights beside the code: sections differ between macOS, Windows and all others; only ELF can go back to the section
 * before. `model.py` writes constants.bin. */

/* lines constants */
#if defined(__APPLE__)
#define SECTION ".section __TEXT,__const"
#define AFTER ".text"
#elif defined(_WIN32)
#define SECTION ".section .rdata,\"dr\""
#define AFTER ".text"
#else
#define SECTION ".section .rodata"
#define AFTER ".previous"
#endif
__asm__(SECTION "\n.balign 64\nedgewright_constants:\n.incbin \"constants.bin\"\n" AFTER "\n");
extern const unsigned char constants[] __asm__("edgewright_constants") __attribute__((visibility("hidden")));
