#include "textflag.h"
#include "go_asm.h"

// func prefetchT0(table unsafe.Pointer, at *uint32, n int)
TEXT ·prefetchT0(SB), NOSPLIT, $0-24
	MOVQ table+0(FP), SI
	MOVQ at+8(FP), DI
	MOVQ n+16(FP), DX
	LEAQ (DI)(DX*4), DX

next:
	MOVL       (DI), AX
	PREFETCHT0 (SI)(AX*1)
	ADDQ       $4, DI
	CMPQ       DI, DX
	JNE        next
	RET

// func prefetchSets(cache *set, hash *uint64, n int)
TEXT ·prefetchSets(SB), NOSPLIT, $0-24
	MOVQ cache+0(FP), SI
	MOVQ hash+8(FP), DI
	MOVQ n+16(FP), DX
	LEAQ (DI)(DX*8), DX

nextSet:
	MOVQ       (DI), AX
	SHRQ       $(64-const_cacheBits), AX
	SHLQ       $6, AX
	PREFETCHT0 (SI)(AX*1)
	ADDQ       $8, DI
	CMPQ       DI, DX
	JNE        nextSet
	RET

DATA iota16<>+0(SB)/8, $0x0000000100000000
DATA iota16<>+8(SB)/8, $0x0000000300000002
DATA iota16<>+16(SB)/8, $0x0000000500000004
DATA iota16<>+24(SB)/8, $0x0000000700000006
DATA iota16<>+32(SB)/8, $0x0000000900000008
DATA iota16<>+40(SB)/8, $0x0000000b0000000a
DATA iota16<>+48(SB)/8, $0x0000000d0000000c
DATA iota16<>+56(SB)/8, $0x0000000f0000000e
GLOBL iota16<>(SB), RODATA|NOPTR, $64

// The higher halves of 16 numbers of 8 bytes.
DATA highHalves<>+0(SB)/8, $0x0000000300000001
DATA highHalves<>+8(SB)/8, $0x0000000700000005
DATA highHalves<>+16(SB)/8, $0x0000000b00000009
DATA highHalves<>+24(SB)/8, $0x0000000f0000000d
DATA highHalves<>+32(SB)/8, $0x0000001300000011
DATA highHalves<>+40(SB)/8, $0x0000001700000015
DATA highHalves<>+48(SB)/8, $0x0000001b00000019
DATA highHalves<>+56(SB)/8, $0x0000001f0000001d
GLOBL highHalves<>(SB), RODATA|NOPTR, $64

#define BROADCASTQ(x, z) MOVQ $x, AX; VPBROADCASTQ AX, z
#define BROADCASTD(x, z) MOVL $x, AX; VPBROADCASTD AX, z
#define BROADCASTB(x, z) MOVL $x, AX; VPBROADCASTB AX, z

// SPOT writes what of the lanes K3 is words, at element i of list, and counts it:
// at is Z7, the size with the token Z8, and the place Z9.
#define SPOT(list, i) \
	VPCOMPRESSD.Z Z7, K3, Z11; \
	VMOVDQU32     Z11, (list+spotted_at)(R11)(i*4); \
	VPCOMPRESSD.Z Z8, K3, Z11; \
	VMOVDQU32     Z11, (list+spotted_size)(R11)(i*4); \
	VPCOMPRESSD.Z Z9, K3, Z11; \
	VMOVDQU32     Z11, (list+spotted_line)(R11)(i*4); \
	KMOVW         K3, AX; \
	POPCNTL       AX, AX; \
	ADDQ          AX, i

// func locateAVX512(r *request)
// Requires: AVX2, AVX512F, AVX512VL, AVX512BW, AVX512DQ, POPCNT, BMI2
TEXT ·locateAVX512(SB), NOSPLIT, $0-8
	MOVQ r+0(FP), R15
	MOVQ request_out(R15), R11
	LEAQ parts_ends(R11), R14
	XORL R10, R10              // entries
	XORL DX, DX                // words
	XORL CX, CX                // long words

	BROADCASTQ(const_edgeToken, Z16)
	BROADCASTQ(const_hashRun, Z17)
	BROADCASTQ(const_mentionToken, Z18)
	BROADCASTQ(const_urlToken, Z19)
	BROADCASTB(const_kindWord, X20)
	BROADCASTB(const_kindHashtag, X21)
	BROADCASTB(const_kindMention, X22)
	BROADCASTB(const_kindURL, X23)
	BROADCASTB(const_kindEmail, X24)
	VPBROADCASTD request_safe(R15), Z25
	MOVQ         request_shift(R15), AX
	SUBQ         $32, AX
	VMOVQ        AX, X26
	BROADCASTD(16, Z27)
	BROADCASTD(const_sizeMax, Z13)
	BROADCASTD((16<<const_tokenShift), Z10)
	VPBROADCASTD request_none(R15), Z28
	VMOVDQU32    highHalves<>(SB), Z29
	VMOVDQU32    iota16<>(SB), Z31

	// K7 is all lanes where there are runs.
	XORL  AX, AX
	CMPQ  request_longest(R15), $2
	SETGE AX
	NEGL  AX
	KMOVW AX, K7

post:
	VMOVDQA64    Z16, Z0             // the tokens before
	MOVL         $1, R12             // the lane of the first token
	MOVQ         request_tokens(R15), AX
	MOVLQSX      (AX), BX
	MOVLQSX      4(AX), R13
	SUBQ         BX, R13
	JLE          empty
	MOVQ         request_start(R15), DI
	LEAQ         (DI)(BX*4), DI
	MOVQ         request_end(R15), R8
	LEAQ         (R8)(BX*4), R8
	MOVQ         request_kind(R15), R9
	ADDQ         BX, R9
	MOVQ         request_hash(R15), AX
	LEAQ         (AX)(BX*8), SI
	SUBQ         request_first(R15), BX
	VPBROADCASTD BX, Z15
	VPADDD       Z31, Z15, Z15       // tokens of the block
	VPSLLD       $const_tokenShift, Z15, Z15
	MOVQ         request_text(R15), AX
	VPBROADCASTD (AX), Z14

sixteen:
	// K1 is the lanes that are tokens, K6 of the higher ones. Behind the last is an edge.
	MOVL         $16, BX
	CMPQ         R13, BX
	CMOVQLT      R13, BX
	MOVL         $-1, AX
	BZHIL        BX, AX, AX
	KMOVW        AX, K1
	SHRL         $8, AX
	KMOVW        AX, K6
	VMOVDQA64    Z16, Z1
	VMOVDQU64    (SI), K1, Z1
	VMOVDQA64    Z16, Z2
	VMOVDQU64    64(SI), K6, Z2
	VMOVDQU8.Z   (R9), K1, X3
	VPCMPEQB     X3, X20, K1, K2
	VPCMPEQB     X3, X21, K1, K3
	KORW         K2, K3, K2          // words with pieces
	VPCMPEQB     X3, X22, K1, K3
	VPCMPEQB     X3, X23, K1, K4
	VPCMPEQB     X3, X24, K1, K5
	KORW         K4, K5, K4
	VMOVDQA64    Z18, K3, Z1
	VMOVDQA64    Z19, K4, Z1
	KSHIFTRW     $8, K3, K3
	KSHIFTRW     $8, K4, K4
	VMOVDQA64    Z18, K3, Z2
	VMOVDQA64    Z19, K4, Z2

	// Pairs.
	VALIGNQ   $7, Z0, Z1, Z4
	VALIGNQ   $7, Z1, Z2, Z5
	VMOVDQA64 Z2, Z0
	VPROLQ    $29, Z4, Z4
	VPROLQ    $29, Z5, Z5
	VPXORQ    Z1, Z4, Z4
	VPXORQ    Z2, Z5, Z5
	VPMULLQ   Z17, Z4, Z4
	VPMULLQ   Z17, Z5, Z5
	CMPQ      request_longest(R15), $2
	JGT       triples

pairs:
	VPERMT2D  Z5, Z29, Z4
	VMOVDQA32 Z28, Z6
	VPSRLD    X26, Z4, K7, Z6
	VMOVDQU32 Z6, parts_runs(R11)(R10*4)

	// Tokens that are no words.
	VMOVDQA64 Z1, Z9
	VPERMT2D  Z2, Z29, Z9
	KANDNW    K1, K2, K3
	VMOVDQA32 Z28, Z6
	VPSRLD    X26, Z9, K3, Z6
	VMOVDQU32 Z6, parts_alone(R11)(R10*4)

	// Words of up to 16 bytes that can be read: K3.
	VMOVDQU32.Z (DI), K1, Z7
	VMOVDQU32.Z (R8), K1, Z8
	VPSUBD      Z7, Z8, Z8
	VPADDD      Z14, Z7, Z7
	VPCMPUD     $2, Z27, Z8, K2, K3
	VPCMPUD     $2, Z25, Z7, K3, K3
	VPTESTMD    Z8, Z8, K3, K3
	KANDNW      K2, K3, K5
	VMOVDQA32   Z9, Z12
	VPMINUD     Z13, Z8, Z8
	VPSLLD      $const_sizeShift, Z8, Z8
	VPORD       Z15, Z8, Z8
	VPSRLD      $(32-const_cacheBits), Z9, Z9
	VPSLLD      $6, Z9, Z9
	SPOT(parts_words, DX)

	// Other words.
	KTESTW  K5, K5
	JEQ     noLongs
	KMOVW   K5, K3
	VPSRLD  $(32-const_longBits), Z12, Z9
	VPSLLD  $6, Z9, Z9
	SPOT(parts_longs, CX)

noLongs:

	SUBQ         $16, R13
	JLT          last
	ADDQ         $16, R10
	ADDQ         $128, SI
	ADDQ         $64, DI
	ADDQ         $64, R8
	ADDQ         $16, R9
	VPADDD       Z10, Z15, Z15
	JMP          sixteen

last:
	LEAQ 17(R10)(R13*1), R10

empty:
	MOVL R10, located_entries(R14)
	MOVL DX, located_words(R14)
	MOVL CX, located_longs(R14)
	ADDQ $located__size, R14
	ADDQ $4, request_tokens(R15)
	ADDQ $4, request_text(R15)
	DECQ request_posts(R15)
	JNE  post
	VZEROUPPER
	RET

	// Triples, of all tokens but a post's first: K3.
triples:
	VALIGNQ   $7, Z30, Z4, Z6
	VALIGNQ   $7, Z4, Z5, Z7
	VPROLQ    $29, Z6, Z6
	VPROLQ    $29, Z7, Z7
	VPXORQ    Z1, Z6, Z6
	VPXORQ    Z2, Z7, Z7
	VPMULLQ   Z17, Z6, Z6
	VPMULLQ   Z17, Z7, Z7
	VPERMT2D  Z7, Z29, Z6
	VMOVDQA32 Z28, Z7
	KMOVW     K1, AX
	ANDNL     AX, R12, AX
	KMOVW     AX, K3
	XORL      R12, R12
	VPSRLD    X26, Z6, K3, Z7
	VMOVDQU32 Z7, parts_triples(R11)(R10*4)
	VMOVDQA64 Z5, Z30                // the pairs before
	JMP       pairs
