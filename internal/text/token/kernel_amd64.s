#include "textflag.h"

DATA iota<>+0(SB)/8, $0x0706050403020100
DATA iota<>+8(SB)/8, $0x0f0e0d0c0b0a0908
DATA iota<>+16(SB)/8, $0x1716151413121110
DATA iota<>+24(SB)/8, $0x1f1e1d1c1b1a1918
DATA iota<>+32(SB)/8, $0x2726252423222120
DATA iota<>+40(SB)/8, $0x2f2e2d2c2b2a2928
DATA iota<>+48(SB)/8, $0x3736353433323130
DATA iota<>+56(SB)/8, $0x3f3e3d3c3b3a3938
GLOBL iota<>(SB), RODATA|NOPTR, $64

// The classes of ASCII by the lower and the upper half of a byte: bits 0 and 1
// letters, 2 digits, 3 '_', 4 and 5 signs ('@'; '#', '$'), 6 and 7 joints (comma,
// stop and apostrophe; colon).
DATA lows<>+0(SB)/8, $0x4707072727070716
DATA lows<>+8(SB)/8, $0x0941014101830707
GLOBL lows<>(SB), RODATA|NOPTR, $16

DATA highNibbles<>+0(SB)/8, $0x02010a1184600000
DATA highNibbles<>+8(SB)/8, $0x0000000000000000
GLOBL highNibbles<>(SB), RODATA|NOPTR, $16

// func classifyAVX512(buf *byte, n int, words, lead, sign, joint, special *byte) (marked uint64)
// Requires: AVX512F, AVX512BW
TEXT ·classifyAVX512(SB), NOSPLIT, $0-64
	MOVQ buf+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ words+16(FP), DI
	MOVQ lead+24(FP), R8
	MOVQ sign+32(FP), R9
	MOVQ joint+40(FP), R10
	MOVQ special+48(FP), R14

	// Tables and characters that bytes are compared with.
	VBROADCASTI32X4 lows<>(SB), Z13
	VBROADCASTI32X4 highNibbles<>(SB), Z14
	MOVL $0x0f, AX
	VPBROADCASTB AX, Z15
	MOVL $0x0f, AX // isWord
	VPBROADCASTB AX, Z16
	MOVL $0x0c, AX // isOdd
	VPBROADCASTB AX, Z17
	MOVL $0x30, AX // isSign
	VPBROADCASTB AX, Z18
	MOVL $0xc0, AX // isJoint, and the least first byte of two
	VPBROADCASTB AX, Z30
	MOVL $0x2f, AX
	VPBROADCASTB AX, Z29 // '/'
	MOVL $10, AX
	VPBROADCASTB AX, Z20
	MOVL $0xd0, AX
	VPBROADCASTB AX, Z3
	MOVL $0xd8, AX
	VPBROADCASTB AX, Z4
	MOVL $0xd9, AX
	VPBROADCASTB AX, Z5
	MOVL $0xda, AX
	VPBROADCASTB AX, Z6
	MOVL $0xdb, AX
	VPBROADCASTB AX, Z7
	MOVL $2, AX
	VPBROADCASTB AX, Z8
	MOVL $0xa0, AX
	VPBROADCASTB AX, Z9
	MOVL $0x81, AX
	VPBROADCASTB AX, Z10
	MOVL $0xb1, AX
	VPBROADCASTB AX, Z11
	MOVL $0x94, AX
	VPBROADCASTB AX, Z12
	MOVL $0xeb, AX
	VPBROADCASTB AX, Z22
	MOVL $0xea, AX
	VPBROADCASTB AX, Z23
	MOVL $0xb0, AX
	VPBROADCASTB AX, Z24
	MOVL $0xed, AX
	VPBROADCASTB AX, Z25
	MOVL $0x9e, AX
	VPBROADCASTB AX, Z26
	MOVL $0xe5, AX
	VPBROADCASTB AX, Z27
	MOVL $5, AX
	VPBROADCASTB AX, Z28
	MOVL $0xe3, AX
	VPBROADCASTB AX, Z31

	XORL BX, BX   // 1 where a sign ends the block before
	XORL R12, R12 // the bytes of this block that are of a letter that began before
	XORL R15, R15 // all special bits

classify:
	VMOVDQU8 (SI), Z0

	// Classes of ASCII: what the tables of both halves of a byte have in common.
	// Bytes beyond it have none.
	VPSRLW   $4, Z0, Z1
	VPANDQ   Z15, Z1, Z1
	VPSHUFB  Z1, Z14, Z1
	VPSHUFB  Z0, Z13, Z2
	VPANDQ   Z1, Z2, Z19
	VPTESTMB Z16, Z19, K1
	KMOVQ    K1, R13

	// First bytes of characters beyond ASCII.
	VPCMPUB  $5, Z30, Z0, K3
	KMOVQ    K3, AX
	VMOVDQU8 1(SI), Z2
	MOVQ     AX, DX
	ORQ      R12, DX
	JNZ      letters

others:
	MOVQ R13, (DI)
	MOVQ AX, (R8)

	// What follows a sign, and digits and '_'.
	VPTESTMB Z18, Z19, K3
	VPTESTMB Z17, Z19, K2
	KMOVQ    K3, AX
	KMOVQ    K2, DX
	LEAQ     (BX)(AX*2), R11
	SHRQ     $63, AX
	MOVQ     AX, BX
	ORQ      R11, DX
	MOVQ     DX, (R9)

	// Joints before what may be of a word or a URL.
	VPTESTMB Z30, Z19, K3
	VPSRLW   $4, Z2, Z1
	VPANDQ   Z15, Z1, Z1
	VPSHUFB  Z1, Z14, Z1
	VPSHUFB  Z2, Z13, Z19
	VPANDQ   Z1, Z19, Z19
	VPTESTMB Z16, Z19, K1
	VPCMPEQB Z29, Z2, K5
	VPMOVB2M Z2, K6
	KORQ     K1, K5, K1
	KORQ     K1, K6, K1
	KANDQ    K1, K3, K3
	KMOVQ    K3, (R10)

	ADDQ $64, SI
	ADDQ $8, DI
	ADDQ $8, R8
	ADDQ $8, R9
	ADDQ $8, R10
	ADDQ $8, R14
	DECQ CX
	JNZ  classify
	MOVQ R15, marked+56(FP)
	VZEROUPPER
	RET

	// Letters of two bytes: U+0400 to U+047F, and those of Arabic that are one
	// behind another: U+0620 to U+063F, U+0641 to U+064A and U+0671 to U+06D3.
letters:
	VPSUBB   Z3, Z0, Z1
	VPCMPUB  $1, Z8, Z1, K3
	VPCMPEQB Z4, Z0, K4
	VPCMPUB  $5, Z9, Z2, K5
	KANDQ    K4, K5, K4
	KORQ     K3, K4, K3
	VPCMPEQB Z5, Z0, K4
	VPSUBB   Z10, Z2, Z1
	VPCMPUB  $1, Z20, Z1, K5
	VPCMPUB  $5, Z11, Z2, K6
	KORQ     K5, K6, K5
	KANDQ    K4, K5, K4
	KORQ     K3, K4, K3
	VPCMPEQB Z6, Z0, K4
	KORQ     K3, K4, K3
	VPCMPEQB Z7, Z0, K4
	VPCMPUB  $1, Z12, Z2, K5
	KANDQ    K4, K5, K4
	KORQ     K3, K4, K3
	KMOVQ    K3, DX
	ORQ      DX, R13
	LEAQ     (R12)(DX*2), R11
	ORQ      R11, R13
	MOVQ     DX, R12
	SHRQ     $63, R12
	NOTQ     DX
	ANDQ     DX, AX
	JZ       others

	// Letters of three bytes: the syllables of Hangul U+AC00 to U+D77F.
	VPSUBB   Z22, Z0, Z1
	VPCMPUB  $1, Z8, Z1, K3
	VPCMPEQB Z23, Z0, K4
	VPCMPUB  $5, Z24, Z2, K5
	KANDQ    K4, K5, K4
	KORQ     K3, K4, K3
	VPCMPEQB Z25, Z0, K4
	VPCMPUB  $1, Z26, Z2, K5
	KANDQ    K4, K5, K4
	KORQ     K3, K4, K3
	KMOVQ    K3, DX
	ORQ      DX, R13
	LEAQ     (DX*2), R11
	ORQ      R11, R13
	LEAQ     (DX*4), R11
	ORQ      R11, R13
	MOVQ     DX, R11
	SHRQ     $62, R11
	ORQ      R11, R12
	SHRQ     $1, R11
	ORQ      R11, R12
	NOTQ     DX
	ANDQ     DX, AX
	JZ       others

	// Scripts without spaces: Han, U+4E00 to U+9FFF.
	VPSUBB   Z27, Z0, Z1
	VPCMPUB  $1, Z28, Z1, K3
	MOVL     $0xe4, R11
	VPBROADCASTB R11, Z1
	VPCMPEQB Z1, Z0, K4
	MOVL     $0xb8, R11
	VPBROADCASTB R11, Z1
	VPCMPUB  $5, Z1, Z2, K5
	KANDQ    K4, K5, K4
	KORQ     K3, K4, K3
	VPCMPEQB Z31, Z0, K4
	KORTESTQ K4, K4
	JNZ      kana

spaceless:
	KMOVQ K3, DX
	TESTQ DX, DX
	JZ    others
	MOVQ  DX, (R14)
	ORQ   DX, R15
	NOTQ  DX
	ANDQ  DX, AX
	JMP   others

	// Kana: U+3041 to U+3096 and U+30A1 to U+30FF but for U+30FB.
kana:
	VMOVDQU8 2(SI), Z21
	VPCMPEQB Z10, Z2, K5
	VPCMPUB  $5, Z10, Z21, K6
	KANDQ    K5, K6, K7
	MOVL     $0x97, R11
	VPBROADCASTB R11, Z1
	VPCMPUB  $1, Z1, Z21, K5
	MOVL     $0xa1, R11
	VPBROADCASTB R11, Z1
	VPCMPUB  $5, Z1, Z21, K6
	KORQ     K5, K6, K6
	MOVL     $0x82, R11
	VPBROADCASTB R11, Z1
	VPCMPEQB Z1, Z2, K5
	KANDQ    K5, K6, K5
	KORQ     K5, K7, K7
	MOVL     $0xbb, R11
	VPBROADCASTB R11, Z1
	VPCMPUB  $4, Z1, Z21, K6
	MOVL     $0x83, R11
	VPBROADCASTB R11, Z1
	VPCMPEQB Z1, Z2, K5
	KANDQ    K5, K6, K5
	KORQ     K5, K7, K7
	KANDQ    K4, K7, K7
	KORQ     K3, K7, K3
	JMP      spaceless

// func cutAVX512(words, rows, sign, joint *byte, n int, begins, ends *uint32, odd, oddEnd *uint8) (runs, stops int)
// Requires: AVX512F, AVX512BW, AVX512VBMI2
TEXT ·cutAVX512(SB), NOSPLIT, $8-88
	MOVQ words+0(FP), SI
	MOVQ rows+8(FP), DI
	MOVQ sign+16(FP), R8
	MOVQ joint+24(FP), R9
	MOVQ n+32(FP), AX
	SHLQ $3, AX
	MOVQ AX, limit-8(SP)
	MOVQ begins+40(FP), R10
	MOVQ ends+48(FP), R11
	MOVQ odd+56(FP), R12
	MOVQ oddEnd+64(FP), R13
	VMOVDQU8 iota<>(SB), Z16
	XORL BX, BX // 1 where a run reaches into the block
	XORL CX, CX // byte of the bitmaps

cut:
	LEAQ (CX*8), DX
	VPBROADCASTD DX, Z17 // position of the block
	MOVQ (SI)(CX*1), AX
	MOVQ (DI)(CX*1), DX
	LEAQ (BX)(AX*2), R15 // the bytes behind bytes of words
	MOVQ AX, BX
	SHRQ $63, BX

	// Begins: of words, not behind one or the first of a text.
	MOVQ  R15, R14
	NOTQ  R14
	ORQ   DX, R14
	ANDQ  AX, R14
	KMOVQ R14, K1
	MOVQ  (R8)(CX*1), R14
	KMOVQ R14, K2
	VPMOVM2B K2, Z0
	VPCOMPRESSB.Z Z0, K1, Z0
	VMOVDQU8 Z0, (R12)
	VPCOMPRESSB.Z Z16, K1, Z0
	KMOVQ K1, R14
	POPCNTQ R14, R14
	ADDQ  R14, R12
	VPMOVZXBD X0, Z1
	VPADDD Z17, Z1, Z1
	VMOVDQU32 Z1, (R10)
	CMPQ R14, $16
	JA   manyBegins

begun:
	LEAQ (R10)(R14*4), R10

	// Ends: behind bytes of words, of none or the first of a text.
	NOTQ  AX
	ORQ   DX, AX
	ANDQ  R15, AX
	KMOVQ AX, K1
	MOVQ  (R9)(CX*1), R14
	KMOVQ R14, K2
	VPMOVM2B K2, Z0
	VPCOMPRESSB.Z Z0, K1, Z0
	VMOVDQU8 Z0, (R13)
	VPCOMPRESSB.Z Z16, K1, Z0
	POPCNTQ AX, AX
	ADDQ  AX, R13
	VPMOVZXBD X0, Z1
	VPADDD Z17, Z1, Z1
	VMOVDQU32 Z1, (R11)
	CMPQ AX, $16
	JA   manyEnds

ended:
	LEAQ (R11)(AX*4), R11
	ADDQ $8, CX
	CMPQ CX, limit-8(SP)
	JNE  cut

	MOVQ begins+40(FP), AX
	SUBQ AX, R10
	SHRQ $2, R10
	MOVQ R10, runs+72(FP)
	MOVQ ends+48(FP), AX
	SUBQ AX, R11
	SHRQ $2, R11
	MOVQ R11, stops+80(FP)
	VZEROUPPER
	RET

manyBegins:
	VEXTRACTI32X4 $1, Z0, X2
	VEXTRACTI32X4 $2, Z0, X3
	VPMOVZXBD X2, Z2
	VPMOVZXBD X3, Z3
	VPADDD Z17, Z2, Z2
	VPADDD Z17, Z3, Z3
	VMOVDQU32 Z2, 64(R10)
	VMOVDQU32 Z3, 128(R10)
	VEXTRACTI32X4 $3, Z0, X2
	VPMOVZXBD X2, Z2
	VPADDD Z17, Z2, Z2
	VMOVDQU32 Z2, 192(R10)
	JMP begun

manyEnds:
	VEXTRACTI32X4 $1, Z0, X2
	VEXTRACTI32X4 $2, Z0, X3
	VPMOVZXBD X2, Z2
	VPMOVZXBD X3, Z3
	VPADDD Z17, Z2, Z2
	VPADDD Z17, Z3, Z3
	VMOVDQU32 Z2, 64(R11)
	VMOVDQU32 Z3, 128(R11)
	VEXTRACTI32X4 $3, Z0, X2
	VPMOVZXBD X2, Z2
	VPADDD Z17, Z2, Z2
	VMOVDQU32 Z2, 192(R11)
	JMP ended

// func lookRuns(buf *byte, n int, begins, ends *uint32, hash *uint64, odd, oddEnd *uint8)
TEXT ·lookRuns(SB), NOSPLIT, $0-56
	MOVQ buf+0(FP), DI
	MOVQ begins+16(FP), R8
	MOVQ ends+24(FP), R9
	MOVQ hash+32(FP), R10
	MOVQ odd+40(FP), R11
	MOVQ oddEnd+48(FP), R12
	LEAQ ·masks(SB), R13
	MOVQ $0xe7037ed1a0b428db, R14 // hashOther
	MOVQ $0xa0761d6478bd642f, R15 // hashLen
	XORL BX, BX

look:
	MOVL (R8)(BX*4), SI
	MOVL (R9)(BX*4), CX
	SUBQ SI, CX
	ADDQ DI, SI
	MOVQ R15, AX
	IMULQ CX, AX
	MOVQ $0x9e3779b97f4a7c15, DX // hashSeed
	XORQ DX, AX
	CMPQ CX, $16
	JA   long

short:
	SHLQ $4, CX
	MOVQ (SI), DX
	ANDQ (R13)(CX*1), DX
	XORQ DX, AX
	MOVQ 8(SI), DX
	ANDQ 8(R13)(CX*1), DX
	XORQ R14, DX
	MULQ DX
	XORQ DX, AX
	MOVQ AX, DX
	SHRQ $32, DX
	XORQ DX, AX
	MOVQ $0xd6e8feb86659fd93, DX // hashEnd
	IMULQ DX, AX
	MOVQ AX, (R10)(BX*8)
	MOVB (R12)(BX*1), AX
	ORB  AX, (R11)(BX*1)
	INCQ BX
	CMPQ BX, n+8(FP)
	JNE  look
	RET

long:
	XORQ (SI), AX
	MOVQ 8(SI), DX
	XORQ R14, DX
	MULQ DX
	XORQ DX, AX
	ADDQ $16, SI
	SUBQ $16, CX
	CMPQ CX, $16
	JA   long
	JMP  short
