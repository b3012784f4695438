/* What NAME_adapt.h says of two slots of flash. */

/* lines declared */
/* Yours, each 0 where it worked: two slots of @@_ADAPT_HEADER + @@_ADAPT_BYTES bytes. A slot is erased before it is
 * written, each byte once. */
typedef struct {
    int (*erase)(int slot);
    int (*write)(int slot, uint32_t offset, const uint8_t *bytes, uint32_t count);
    int (*read)(int slot, uint32_t offset, uint8_t *bytes, uint32_t count);
} @_adapt_flash;

/* Into the slot that does not hold the newest state: a power cut leaves the one before. 0 where it worked. */
int @_adapt_save(const @_adapt_state *state, const @_adapt_flash *flash);
/* Reads the newest whole state of this model; 0 where there is none, which leaves the factory's layer. */
int @_adapt_load(@_adapt_state *state, const @_adapt_flash *flash);
