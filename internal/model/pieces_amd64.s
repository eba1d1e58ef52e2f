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

// func piecesAVX512(table *uint64, word *byte, size int, at *[72]uint8, least, most int, shift uint) (even, odd, n uint64)
// Requires: AVX2, AVX512F, AVX512VL, AVX512BW, AVX512DQ, AVX512VBMI, AVX512VBMI2, POPCNT, BMI2
TEXT ·piecesAVX512(SB), NOSPLIT, $0-80
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
	BROADCASTQ(const_lowBytes, Z23)
	BROADCASTQ(64, Z24)
	VPTERNLOGQ   $0xff, Z25, Z25, Z25
	VPXORQ       Z16, Z16, Z16      // even
	VPXORQ       Z17, Z17, Z17      // odd
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
	// K1 is the lanes of pieces that end within the word.
	MOVQ    R9, CX
	SUBQ    R10, CX
	SUBQ    R11, CX
	INCQ    CX
	CMOVQLT R15, CX
	CMPQ    CX, R12
	CMOVQGT R12, CX
	ADDQ    CX, R13
	MOVL    $-1, AX
	BZHIL   CX, AX, AX
	KMOVW   AX, K1

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
	VPXORQ     Z6, Z6, Z6
	VPGATHERQQ (SI)(Z5*8), K1, Z6
	VPANDQ     Z23, Z6, Z7
	VPADDQ     Z7, Z16, Z16
	VPSRLQ     $8, Z6, Z6
	VPANDQ     Z23, Z6, Z6
	VPADDQ     Z6, Z17, Z17
	INCQ       R11
	CMPQ       R11, most+40(FP)
	JLE        length

	ADDQ $8, R10
	MOVQ R9, CX
	SUBQ R10, CX
	CMPQ CX, least+32(FP)
	JGE  group

	VEXTRACTI64X4 $1, Z16, Y0
	VPADDQ        Y0, Y16, Y0
	VEXTRACTI128  $1, Y0, X1
	VPADDQ        X1, X0, X0
	VPSRLDQ       $8, X0, X1
	VPADDQ        X1, X0, X0
	VMOVQ         X0, AX
	MOVQ          AX, even+56(FP)
	VEXTRACTI64X4 $1, Z17, Y0
	VPADDQ        Y0, Y17, Y0
	VEXTRACTI128  $1, Y0, X1
	VPADDQ        X1, X0, X0
	VPSRLDQ       $8, X0, X1
	VPADDQ        X1, X0, X0
	VMOVQ         X0, AX
	MOVQ          AX, odd+64(FP)
	MOVQ          R13, n+72(FP)
	VZEROUPPER
	RET

none:
	MOVQ $0, even+56(FP)
	MOVQ $0, odd+64(FP)
	MOVQ $0, n+72(FP)
	VZEROUPPER
	RET
