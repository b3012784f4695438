#include "@_verify.h"
#include <string.h>

static const uint64_t @_rounds[80] = {
    UINT64_C(0x428a2f98d728ae22), UINT64_C(0x7137449123ef65cd), UINT64_C(0xb5c0fbcfec4d3b2f), UINT64_C(0xe9b5dba58189dbbc),
    UINT64_C(0x3956c25bf348b538), UINT64_C(0x59f111f1b605d019), UINT64_C(0x923f82a4af194f9b), UINT64_C(0xab1c5ed5da6d8118),
    UINT64_C(0xd807aa98a3030242), UINT64_C(0x12835b0145706fbe), UINT64_C(0x243185be4ee4b28c), UINT64_C(0x550c7dc3d5ffb4e2),
    UINT64_C(0x72be5d74f27b896f), UINT64_C(0x80deb1fe3b1696b1), UINT64_C(0x9bdc06a725c71235), UINT64_C(0xc19bf174cf692694),
    UINT64_C(0xe49b69c19ef14ad2), UINT64_C(0xefbe4786384f25e3), UINT64_C(0x0fc19dc68b8cd5b5), UINT64_C(0x240ca1cc77ac9c65),
    UINT64_C(0x2de92c6f592b0275), UINT64_C(0x4a7484aa6ea6e483), UINT64_C(0x5cb0a9dcbd41fbd4), UINT64_C(0x76f988da831153b5),
    UINT64_C(0x983e5152ee66dfab), UINT64_C(0xa831c66d2db43210), UINT64_C(0xb00327c898fb213f), UINT64_C(0xbf597fc7beef0ee4),
    UINT64_C(0xc6e00bf33da88fc2), UINT64_C(0xd5a79147930aa725), UINT64_C(0x06ca6351e003826f), UINT64_C(0x142929670a0e6e70),
    UINT64_C(0x27b70a8546d22ffc), UINT64_C(0x2e1b21385c26c926), UINT64_C(0x4d2c6dfc5ac42aed), UINT64_C(0x53380d139d95b3df),
    UINT64_C(0x650a73548baf63de), UINT64_C(0x766a0abb3c77b2a8), UINT64_C(0x81c2c92e47edaee6), UINT64_C(0x92722c851482353b),
    UINT64_C(0xa2bfe8a14cf10364), UINT64_C(0xa81a664bbc423001), UINT64_C(0xc24b8b70d0f89791), UINT64_C(0xc76c51a30654be30),
    UINT64_C(0xd192e819d6ef5218), UINT64_C(0xd69906245565a910), UINT64_C(0xf40e35855771202a), UINT64_C(0x106aa07032bbd1b8),
    UINT64_C(0x19a4c116b8d2d0c8), UINT64_C(0x1e376c085141ab53), UINT64_C(0x2748774cdf8eeb99), UINT64_C(0x34b0bcb5e19b48a8),
    UINT64_C(0x391c0cb3c5c95a63), UINT64_C(0x4ed8aa4ae3418acb), UINT64_C(0x5b9cca4f7763e373), UINT64_C(0x682e6ff3d6b2b8a3),
    UINT64_C(0x748f82ee5defb2fc), UINT64_C(0x78a5636f43172f60), UINT64_C(0x84c87814a1f0ab72), UINT64_C(0x8cc702081a6439ec),
    UINT64_C(0x90befffa23631e28), UINT64_C(0xa4506cebde82bde9), UINT64_C(0xbef9a3f7b2c67915), UINT64_C(0xc67178f2e372532b),
    UINT64_C(0xca273eceea26619c), UINT64_C(0xd186b8c721c0c207), UINT64_C(0xeada7dd6cde0eb1e), UINT64_C(0xf57d4f7fee6ed178),
    UINT64_C(0x06f067aa72176fba), UINT64_C(0x0a637dc5a2c898a6), UINT64_C(0x113f9804bef90dae), UINT64_C(0x1b710b35131c471b),
    UINT64_C(0x28db77f523047d84), UINT64_C(0x32caab7b40c72493), UINT64_C(0x3c9ebe0a15c9bebc), UINT64_C(0x431d67c49c100d4c),
    UINT64_C(0x4cc5d4becb3e42b6), UINT64_C(0x597f299cfc657e2a), UINT64_C(0x5fcb6fab3ad6faec), UINT64_C(0x6c44198c4a475817)
};

static uint64_t @_turned(uint64_t x, int n) {
    return (x >> n) | (x << (64 - n));
}

#define @_V(k) v[(unsigned)((k) - i) & 7u]

static void @_sha512_block(uint64_t state[8], const uint8_t *block) {
    uint64_t w[16], v[8];
    for (int i = 0; i < 16; ++i) {
        w[i] = 0;
        for (int k = 0; k < 8; ++k) {
            w[i] = (w[i] << 8) | block[8 * i + k];
        }
    }
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 80; ++i) {
        if (i > 15) {
            const uint64_t a = w[(i + 1) & 15], b = w[(i + 14) & 15];
            w[i & 15] += (@_turned(a, 1) ^ @_turned(a, 8) ^ (a >> 7)) + w[(i + 9) & 15] +
                         (@_turned(b, 19) ^ @_turned(b, 61) ^ (b >> 6));
        }
        /* Instead of moving all eight, the place of the first moves. */
        const uint64_t e = @_V(4), a = @_V(0);
        const uint64_t first = @_V(7) + (@_turned(e, 14) ^ @_turned(e, 18) ^ @_turned(e, 41)) +
                               ((e & @_V(5)) ^ (~e & @_V(6))) + @_rounds[i] + w[i & 15];
        const uint64_t second = (@_turned(a, 28) ^ @_turned(a, 34) ^ @_turned(a, 39)) +
                                ((a & @_V(1)) ^ (a & @_V(2)) ^ (@_V(1) & @_V(2)));
        @_V(3) += first;
        @_V(7) = first + second;
    }
    for (int i = 0; i < 8; ++i) {
        state[i] += v[i];
    }
}

void @_sha512_begin(@_sha512 *hash) {
    static const uint64_t start[8] = {
        UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b), UINT64_C(0x3c6ef372fe94f82b), UINT64_C(0xa54ff53a5f1d36f1),
        UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f), UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179)
    };
    memcpy(hash->state, start, sizeof start);
    hash->length = 0;
}

void @_sha512_add(@_sha512 *hash, const uint8_t *bytes, uint32_t count) {
    for (; count > 0; --count) {
        hash->block[hash->length++ & 127] = *bytes++;
        if ((hash->length & 127) == 0) {
            @_sha512_block(hash->state, hash->block);
        }
    }
}

void @_sha512_end(@_sha512 *hash, uint8_t digest[64]) {
    const uint64_t bits = hash->length * 8;
    static const uint8_t one = 0x80, none = 0;
    @_sha512_add(hash, &one, 1);
    while ((hash->length & 127) != 112) {
        @_sha512_add(hash, &none, 1);
    }
    /* The length has 128 bits, of which the upper half is 0 here. */
    for (int k = 0; k < 16; ++k) {
        const uint8_t byte = (uint8_t)(k < 8 ? 0 : bits >> (120 - 8 * k));
        @_sha512_add(hash, &byte, 1);
    }
    for (int i = 0; i < 64; ++i) {
        digest[i] = (uint8_t)(hash->state[i / 8] >> (56 - 8 * (i & 7)));
    }
}

/* Numbers modulo p = 2^255 - 19 in eight words, kept below 2^256 = 38 modulo p. */
typedef uint32_t @_field[8];
/* A point of the curve: x = X / Z, y = Y / Z, T = X * Y / Z. */
typedef struct {
    @_field x, y, z, t;
} @_point;

static const @_field @_d = {0x135978a3u, 0x75eb4dcau, 0x4141d8abu, 0x00700a4du, 0x7779e898u, 0x8cc74079u, 0x2b6ffe73u,
                            0x52036ceeu};
static const @_field @_d2 = {0x26b2f159u, 0xebd69b94u, 0x8283b156u, 0x00e0149au, 0xeef3d130u, 0x198e80f2u,
                             0x56dffce7u, 0x2406d9dcu};
static const @_field @_root = {0x4a0ea0b0u, 0xc4ee1b27u, 0xad2fe478u, 0x2f431806u, 0x3dfbd7a7u, 0x2b4d0099u,
                               0x4fc1df0bu, 0x2b832480u};
static const uint32_t @_order[8] = {0x5cf5d3edu, 0x5812631au, 0xa2f79cd6u, 0x14def9deu, 0, 0, 0, 0x10000000u};
static const @_field @_one = {1, 0, 0, 0, 0, 0, 0, 0};
static const @_point @_base = {
    {0x8f25d51au, 0xc9562d60u, 0x9525a7b2u, 0x692cc760u, 0xfdd6dc5cu, 0xc0a4e231u, 0xcd6e53feu, 0x216936d3u},
    {0x66666658u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u, 0x66666666u},
    {1, 0, 0, 0, 0, 0, 0, 0},
    {0xa5b7dda3u, 0x6dde8ab3u, 0x775152f5u, 0x20f09f80u, 0x64abe37du, 0x66ea4e8eu, 0xd78b7665u, 0x67875f0fu},
};

/* r + top * 2^256, for a top below 2^32 / 38. */
static void @_fold(@_field r, uint64_t top) {
    uint64_t t = top * 38;
    for (int i = 0; i < 8; ++i) {
        t += r[i];
        r[i] = (uint32_t)t;
        t >>= 32;
    }
    /* What is carried now leaves a number so small that nothing is carried again. */
    r[0] += (uint32_t)t * 38;
}

static void @_plus(@_field r, const @_field a, const @_field b) {
    uint64_t t = 0;
    for (int i = 0; i < 8; ++i) {
        t += (uint64_t)a[i] + b[i];
        r[i] = (uint32_t)t;
        t >>= 32;
    }
    @_fold(r, t);
}

static void @_minus(@_field r, const @_field a, const @_field b) {
    uint32_t borrow = 0;
    for (int i = 0; i < 8; ++i) {
        const uint64_t t = (uint64_t)a[i] - b[i] - borrow;
        r[i] = (uint32_t)t;
        borrow = (uint32_t)(t >> 63);
    }
    uint32_t off = borrow * 38;
    for (int i = 0; i < 8; ++i) {
        const uint64_t t = (uint64_t)r[i] - off;
        r[i] = (uint32_t)t;
        off = (uint32_t)(t >> 63);
    }
    r[0] -= off * 38;
}

static void @_times(@_field r, const @_field a, const @_field b) {
    uint32_t wide[16] = {0};
    for (int i = 0; i < 8; ++i) {
        uint32_t carry = 0;
        for (int k = 0; k < 8; ++k) {
            const uint64_t t = (uint64_t)a[i] * b[k] + wide[i + k] + carry;
            wide[i + k] = (uint32_t)t;
            carry = (uint32_t)(t >> 32);
        }
        wide[i + 8] = carry;
    }
    uint64_t t = 0;
    for (int i = 0; i < 8; ++i) {
        t += (uint64_t)wide[i + 8] * 38 + wide[i];
        r[i] = (uint32_t)t;
        t >>= 32;
    }
    @_fold(r, t);
}

/* The one number below p that r stands for, as 32 bytes, the lowest first. */
static void @_bytes_of(uint8_t *bytes, const @_field r) {
    @_field v, more;
    uint64_t t = (uint64_t)(r[7] >> 31) * 19;
    memcpy(v, r, sizeof v);
    v[7] &= 0x7fffffffu;
    for (int i = 0; i < 8; ++i) {
        t += v[i];
        v[i] = (uint32_t)t;
        t >>= 32;
    }
    t = 19;
    for (int i = 0; i < 8; ++i) {
        t += v[i];
        more[i] = (uint32_t)t;
        t >>= 32;
    }
    const int beyond = (more[7] >> 31) != 0;
    more[7] &= 0x7fffffffu;
    for (int i = 0; i < 32; ++i) {
        bytes[i] = (uint8_t)((beyond ? more : v)[i / 4] >> (8 * (i & 3)));
    }
}

static void @_words_of(uint32_t *words, const uint8_t *bytes, int count) {
    for (int i = 0; i < count; ++i) {
        words[i] = bytes[4 * i] | (uint32_t)bytes[4 * i + 1] << 8 | (uint32_t)bytes[4 * i + 2] << 16 |
                   (uint32_t)bytes[4 * i + 3] << 24;
    }
}

static int @_same(const @_field a, const @_field b) {
    uint8_t one[32], other[32];
    @_bytes_of(one, a);
    @_bytes_of(other, b);
    return memcmp(one, other, sizeof one) == 0;
}

/* a^(2^bits - 1 - gaps), where the bits of `gaps` lie below the eighth. */
static void @_power(@_field r, const @_field a, int bits, unsigned gaps) {
    @_field v;
    memcpy(v, a, sizeof v);
    for (int i = bits - 2; i >= 0; --i) {
        @_times(v, v, v);
        if (i > 7 || ((gaps >> i) & 1u) == 0) {
            @_times(v, v, a);
        }
    }
    memcpy(r, v, sizeof v);
}

static void @_sum(@_point *r, const @_point *p, const @_point *q) {
    @_field a, b, c, d, e;
    @_minus(a, p->y, p->x);
    @_minus(e, q->y, q->x);
    @_times(a, a, e);
    @_plus(b, p->x, p->y);
    @_plus(e, q->x, q->y);
    @_times(b, b, e);
    @_times(c, p->t, q->t);
    @_times(c, c, @_d2);
    @_times(d, p->z, q->z);
    @_plus(d, d, d);
    @_minus(e, b, a);
    @_plus(b, b, a);
    @_minus(a, d, c);
    @_plus(d, d, c);
    @_times(r->x, e, a);
    @_times(r->y, b, d);
    @_times(r->z, a, d);
    @_times(r->t, e, b);
}

static void @_twofold(@_point *r) {
    @_field a, b, c, e;
    @_plus(e, r->x, r->y);
    @_times(e, e, e);
    @_times(a, r->x, r->x);
    @_times(b, r->y, r->y);
    @_times(c, r->z, r->z);
    @_plus(c, c, c);
    @_field h;
    @_plus(h, a, b);
    @_minus(e, h, e);
    @_minus(a, a, b);
    @_plus(c, c, a);
    @_times(r->x, e, c);
    @_times(r->y, a, h);
    @_times(r->z, c, a);
    @_times(r->t, e, h);
}

/* Minus the point that a key names; 0 where it names none in the canonical way. */
static int @_read_key(@_point *r, const uint8_t key[32]) {
    static const @_field zero = {0};
    @_field top, below, t;
    uint8_t again[32];
    @_words_of(r->y, key, 8);
    r->y[7] &= 0x7fffffffu;
    @_bytes_of(again, r->y);
    again[31] |= (uint8_t)(key[31] & 0x80);
    if (memcmp(again, key, sizeof again) != 0) {
        return 0;
    }
    memcpy(r->z, @_one, sizeof r->z);
    /* x^2 = (y^2 - 1) / (d * y^2 + 1); the root is top * below^3 * (top * below^7)^((p - 5) / 8), or that times i. */
    @_times(t, r->y, r->y);
    @_minus(top, t, @_one);
    @_times(below, t, @_d);
    @_plus(below, below, @_one);
    @_field third;
    @_times(third, below, below);
    @_times(third, third, below);
    @_times(t, third, third);
    @_times(t, t, below);
    @_times(t, t, top);
    @_power(t, t, 252, 1u << 1);
    @_times(t, t, third);
    @_times(r->x, t, top);
    @_times(t, r->x, r->x);
    @_times(t, t, below);
    if (!@_same(t, top)) {
        @_times(r->x, r->x, @_root);
        @_times(t, r->x, r->x);
        @_times(t, t, below);
        if (!@_same(t, top)) {
            return 0;
        }
    }
    @_bytes_of(again, r->x);
    const int negative = key[31] >> 7;
    if (@_same(r->x, zero) && negative) {
        return 0;
    }
    if ((again[0] & 1) == negative) {
        @_minus(r->x, zero, r->x);
    }
    @_times(r->t, r->x, r->y);
    return 1;
}

static int @_below_order(const uint32_t *s) {
    for (int i = 7; i >= 0; --i) {
        if (s[i] != @_order[i]) {
            return s[i] < @_order[i];
        }
    }
    return 0;
}

/* A number of 512 bits modulo the order of the base point. */
static void @_reduce(uint32_t r[8], const uint32_t wide[16]) {
    memset(r, 0, 8 * sizeof r[0]);
    for (int bit = 511; bit >= 0; --bit) {
        uint32_t carry = (wide[bit / 32] >> (bit & 31)) & 1u;
        for (int i = 0; i < 8; ++i) {
            const uint32_t next = r[i] >> 31;
            r[i] = (r[i] << 1) | carry;
            carry = next;
        }
        if (!@_below_order(r)) {
            uint32_t borrow = 0;
            for (int i = 0; i < 8; ++i) {
                const uint64_t t = (uint64_t)r[i] - @_order[i] - borrow;
                r[i] = (uint32_t)t;
                borrow = (uint32_t)(t >> 63);
            }
        }
    }
}

int @_ed25519_right(const uint8_t signature[64], const uint8_t key[32], const uint8_t hash[64]) {
    static const @_field zero = {0};
    uint32_t s[8], h[8], wide[16];
    @_point table[3], r;
    @_words_of(s, signature + 32, 8);
    if (!@_below_order(s) || !@_read_key(&table[1], key)) {
        return 0;
    }
    r = table[1];
    for (int i = 0; i < 3; ++i) {
        @_twofold(&r);
    }
    if (@_same(r.x, zero) && @_same(r.y, r.z)) {
        return 0;
    }
    @_words_of(wide, hash, 16);
    @_reduce(h, wide);
    table[0] = @_base;
    @_sum(&table[2], &table[0], &table[1]);
    /* s times the base point minus h times the key, both at once. */
    memset(&r, 0, sizeof r);
    r.y[0] = 1;
    r.z[0] = 1;
    for (int bit = 252; bit >= 0; --bit) {
        @_twofold(&r);
        const unsigned which = ((s[bit / 32] >> (bit & 31)) & 1u) | (((h[bit / 32] >> (bit & 31)) & 1u) << 1);
        if (which > 0) {
            @_sum(&r, &r, &table[which - 1]);
        }
    }
    uint8_t wanted[32], sign[32];
    @_field inverse;
    @_power(inverse, r.z, 255, (1u << 2) | (1u << 4));
    @_times(r.x, r.x, inverse);
    @_times(r.y, r.y, inverse);
    @_bytes_of(wanted, r.y);
    @_bytes_of(sign, r.x);
    wanted[31] |= (uint8_t)((sign[0] & 1) << 7);
    return memcmp(wanted, signature, sizeof wanted) == 0;
}
