#include "textflag.h"
#include "go_asm.h"

#define BROADCASTQ(x, z) MOVQ $x, AX; VPBROADCASTQ AX, z

DATA iota64<>+0(SB)/8, $0x0706050403020100
DATA iota64<>+8(SB)/8, $0x0f0e0d0c0b0a0908
DATA iota64<>+16(SB)/8, $0x1716151413121110
DATA iota64<>+24(SB)/8, $0x1f1e1d1c1b1a1918
DATA iota64<>+32(SB)/8, $0x2726252423222120
DATA iota64<>+40(SB)/8, $0x2f2e2d2c2b2a2928
DATA iota64<>+48(SB)/8, $0x3736353433323130
DATA iota64<>+56(SB)/8, $0x3f3e3d3c3b3a3938
GLOBL iota64<>(SB), RODATA|NOPTR, $64

// For 8 lanes of 8 bytes: each of 8 bytes 8 times.
DATA eachEight<>+0(SB)/8, $0x0000000000000000
DATA eachEight<>+8(SB)/8, $0x0101010101010101
DATA eachEight<>+16(SB)/8, $0x0202020202020202
DATA eachEight<>+24(SB)/8, $0x0303030303030303
DATA eachEight<>+32(SB)/8, $0x0404040404040404
DATA eachEight<>+40(SB)/8, $0x0505050505050505
DATA eachEight<>+48(SB)/8, $0x0606060606060606
DATA eachEight<>+56(SB)/8, $0x0707070707070707
GLOBL eachEight<>(SB), RODATA|NOPTR, $64

// The even heads' numbers of 2 bytes, and then the odd heads'.
DATA evenOdd<>+0(SB)/8, $0x0d0c090805040100
DATA evenOdd<>+8(SB)/8, $0x0f0e0b0a07060302
GLOBL evenOdd<>(SB), RODATA|NOPTR, $16

// func piecesAVX512(table *uint64, word *byte, size int, at *[72]uint8, least, most int, shift uint) (even, odd, n uint64)
// Requires: AVX2, AVX512F, AVX512VL, AVX512BW, AVX512DQ, AVX512VBMI, AVX512VBMI2, POPCNT, BMI2
TEXT ·piecesAVX512(SB), NOSPLIT, $640-80
	MOVQ table+0(FP), SI
	MOVQ word+8(FP), DI
	MOVQ size+16(FP), CX
	MOVQ at+24(FP), R8

	// Z0 is the word between its marks.
	MOVQ          $-1, AX
	BZHIQ         CX, AX, AX
	KMOVQ         AX, K1
	VMOVDQU8.Z    (DI), K1, Z0
	ADDQ          AX, AX
	KMOVQ         AX, K1
	VPEXPANDB.Z   Z0, K1, Z0
	MOVL          $const_beginMark, BX
	VMOVD         BX, X1
	VPORQ         Z1, Z0, Z0
	LEAQ          1(AX), DX
	LEAQ          2(AX), BX       // the end mark: 1 << (size+1)
	KMOVQ         BX, K1
	MOVL          $const_endMark, R10
	VPBROADCASTB  R10, Z1
	VMOVDQU8      Z1, K1, Z0
	ORQ           BX, DX          // the word and its marks
	ADDQ          BX, BX          // what is behind
	ADDQ          $2, CX

	// Where characters begin, and the end: bytes that do not go on with one.
	MOVL         $-64, AX
	VPBROADCASTB AX, Z1
	VPCMPB       $5, Z1, Z0, K1
	KMOVQ        K1, AX
	MOVL         $0xf0, R10
	VPBROADCASTB R10, Z1
	VPCMPUB      $5, Z1, Z0, K2 // begins of 4 bytes
	ANDQ        DX, AX
	ORQ         BX, AX
	KMOVQ       AX, K1
	VMOVDQU64   iota64<>(SB), Z1
	VPCOMPRESSB.Z Z1, K1, Z1
	VMOVDQU64   Z1, (R8)
	POPCNTQ     AX, R9
	DECQ        R9                 // characters
	XORL        R13, R13
	CMPQ        R9, $(const_maxLetter+2)
	JGT         none
	KTESTQ      K2, K2
	JNE         none
	MOVQ        CX, R14
	SUBQ        R9, R14            // not 0: some are of several bytes

	MOVQ         shift+48(FP), AX
	VMOVQ        AX, X20
	BROADCASTQ(const_hashPiece, Z21)
	BROADCASTQ(const_hashRun, Z22)
	BROADCASTQ(64, Z24)
	VPTERNLOGQ   $0xff, Z25, Z25, Z25
	VPXORQ       Z3, Z3, Z3
	VMOVDQU64    eachEight<>(SB), Z26
	BROADCASTQ(0x0706050403020100, Z27)
	BROADCASTQ(0x0808080808080808, Z28)
	XORL         R10, R10           // the first character of a group of 8
	XORL         R15, R15
	MOVL         $8, R12

group:
	VPMOVZXBQ  (R8)(R10*1), Z1
	VPBROADCASTQ (R8)(R10*1), Z4
	VPSHUFB      Z26, Z4, Z4
	VPADDB       Z27, Z4, Z4
	VPERMB       Z0, Z4, Z2
	TESTQ        R14, R14
	JEQ          ascii
	VPADDB       Z28, Z4, Z4
	VPERMB       Z0, Z4, Z3

ascii:
	MOVQ least+32(FP), R11 // the length

length:
	// CX is the number of pieces that end within the word.
	MOVQ    R9, CX
	SUBQ    R10, CX
	SUBQ    R11, CX
	INCQ    CX
	CMOVQLT R15, CX
	CMPQ    CX, R12
	CMOVQGT R12, CX

	LEAQ      (R8)(R11*1), BX
	VPMOVZXBQ (BX)(R10*1), Z4
	VPSUBQ    Z1, Z4, Z4
	VPSLLQ    $3, Z4, Z4
	VPSLLVQ   Z4, Z25, Z5
	VPANDNQ   Z2, Z5, Z5
	TESTQ     R14, R14
	JEQ       hashed
	VPSUBUSW  Z24, Z4, Z4
	VPSLLVQ   Z4, Z25, Z6
	VPANDNQ   Z3, Z6, Z6
	VPMULLQ   Z22, Z6, Z6
	VPADDQ    Z6, Z5, Z5

hashed:
	VPMULLQ    Z21, Z5, Z5
	VPSRLQ     X20, Z5, Z5
	VPMOVQD    Z5, Y5
	VMOVDQU    Y5, (SP)(R13*4)
	ADDQ       CX, R13
	INCQ       R11
	CMPQ       R11, most+40(FP)
	JLE        length

	ADDQ $8, R10
	MOVQ R9, CX
	SUBQ R10, CX
	CMPQ CX, least+32(FP)
	JGE  group

	TESTQ R13, R13
	JEQ   none

	// The buckets, and that of no weights to make them a multiple of 4.
	MOVQ         shift+48(FP), CX
	NEGQ         CX
	MOVL         $1, AX
	SHLQ         CX, AX
	VMOVD        AX, X0
	VPBROADCASTD X0, X0
	VMOVDQU      X0, (SP)(R13*4)
	ADDQ         $3, R13
	ANDQ         $-4, R13
	VPXOR        X0, X0, X0
	VPXOR        X1, X1, X1
	LEAQ         (SP)(R13*4), DI
	MOVQ         SP, DX

fourBuckets:
	MOVL      (DX), AX
	MOVL      4(DX), BX
	MOVL      8(DX), CX
	MOVL      12(DX), R9
	VPMOVZXBW (SI)(AX*8), X2
	VPMOVZXBW (SI)(BX*8), X3
	VPMOVZXBW (SI)(CX*8), X4
	VPMOVZXBW (SI)(R9*8), X5
	VPADDW    X2, X0, X0
	VPADDW    X3, X1, X1
	VPADDW    X4, X0, X0
	VPADDW    X5, X1, X1
	ADDQ      $16, DX
	CMPQ      DX, DI
	JNE       fourBuckets

	VPADDW  X1, X0, X0
	VPSHUFB evenOdd<>(SB), X0, X0
	VMOVQ   X0, AX
	MOVQ    AX, even+56(FP)
	VPEXTRQ $1, X0, AX
	MOVQ    AX, odd+64(FP)
	MOVQ    R13, n+72(FP)
	VZEROUPPER
	RET

none:
	MOVQ $0, even+56(FP)
	MOVQ $0, odd+64(FP)
	MOVQ $0, n+72(FP)
	VZEROUPPER
	RET
