#include "textflag.h"

// func masksAVX2(p *byte, n int, out *masks)
//
// For each of n blocks of 64 bytes from p on, sets one element of out. It reads
// two bytes beyond the last block.
TEXT ·masksAVX2(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ out+16(FP), DI
	VMOVDQU ·consts+0(SB), Y15   // 0x20
	VMOVDQU ·consts+32(SB), Y14  // 'a'
	VMOVDQU ·consts+64(SB), Y13  // 25
	VMOVDQU ·consts+96(SB), Y12  // '0'
	VMOVDQU ·consts+128(SB), Y11 // 9
	VMOVDQU ·consts+160(SB), Y10 // 0xfe
	VMOVDQU ·consts+192(SB), Y9  // 0xd0
	VMOVDQU ·consts+224(SB), Y8  // 0xc0
	VMOVDQU ·consts+256(SB), Y7  // 0x80
	TESTQ CX, CX
	JZ done

block:
	MOVQ $0, DX // byte of the block: 0, then 32

half:
	VMOVDQU (SI), Y0
	VPOR Y15, Y0, Y1     // lower case
	VPSUBB Y14, Y1, Y2
	VPMINUB Y13, Y2, Y3
	VPCMPEQB Y2, Y3, Y2  // letters
	VPMOVMSKB Y2, AX
	MOVL AX, 0(DI)(DX*1)

	VPSUBB Y12, Y0, Y3
	VPMINUB Y11, Y3, Y4
	VPCMPEQB Y3, Y4, Y3  // digits
	VPMOVMSKB Y3, AX
	MOVL AX, 8(DI)(DX*1)

	VPMINUB Y15, Y0, Y3
	VPCMPEQB Y0, Y3, Y3  // blanks and controls
	VPMOVMSKB Y3, AX
	MOVL AX, 16(DI)(DX*1)

	VMOVDQU 1(SI), Y3
	VPOR Y15, Y3, Y3
	VPCMPEQB Y1, Y3, Y3  // the next byte is the same, but for case
	VPAND Y2, Y3, Y3
	VPMOVMSKB Y3, AX
	MOVL AX, 24(DI)(DX*1)

	VPMOVMSKB Y0, AX     // beyond ASCII
	MOVL AX, 32(DI)(DX*1)

	VPAND Y10, Y0, Y3
	VPCMPEQB Y9, Y3, Y3  // D0 and D1
	VPMOVMSKB Y3, AX
	MOVL AX, 40(DI)(DX*1)

	VPAND Y8, Y0, Y3
	VPCMPEQB Y7, Y3, Y3  // continuation bytes
	VPMOVMSKB Y3, AX
	MOVL AX, 48(DI)(DX*1)

	VMOVDQU 2(SI), Y3
	VPCMPEQB Y0, Y3, Y3  // the byte two further on is the same
	VPMOVMSKB Y3, AX
	MOVL AX, 56(DI)(DX*1)

	VMOVDQU ·consts+288(SB), Y4 // symbols by low nibble
	VPSHUFB Y0, Y4, Y4
	VPSRLW $4, Y0, Y3
	VPAND ·consts+352(SB), Y3, Y3
	VMOVDQU ·consts+320(SB), Y5 // by high nibble
	VPSHUFB Y3, Y5, Y5
	VPAND Y4, Y5, Y4
	VPXOR Y5, Y5, Y5
	VPCMPEQB Y4, Y5, Y4
	VPMOVMSKB Y4, AX
	NOTL AX
	MOVL AX, 64(DI)(DX*1)

	VPCMPEQB ·consts+384(SB), Y0, Y3 // '/'
	VPMOVMSKB Y3, AX
	MOVL AX, 72(DI)(DX*1)

	VPCMPEQB ·consts+416(SB), Y0, Y3 // '@'
	VPMOVMSKB Y3, AX
	MOVL AX, 80(DI)(DX*1)

	VPCMPEQB ·consts+448(SB), Y0, Y3 // '_'
	VPMOVMSKB Y3, AX
	MOVL AX, 88(DI)(DX*1)

	VPCMPEQB ·consts+480(SB), Y0, Y3 // '#'
	VPMOVMSKB Y3, AX
	MOVL AX, 96(DI)(DX*1)

	VPCMPEQB ·consts+512(SB), Y0, Y3 // '!'
	VPMOVMSKB Y3, AX
	MOVL AX, 104(DI)(DX*1)

	ADDQ $32, SI
	ADDQ $4, DX
	CMPQ DX, $8
	JNE half

	ADDQ $112, DI
	DECQ CX
	JNZ block

done:
	VZEROUPPER
	RET

// func detectAVX2() bool
//
// By the Intel manual, volume 1, 14.7.1: the system saves the registers
// (OSXSAVE, XCR0), and the processor has AVX and AVX2.
TEXT ·detectAVX2(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JLT no
	MOVL $1, AX
	XORL CX, CX
	CPUID
	ANDL $0x18000000, CX // OSXSAVE, AVX
	CMPL CX, $0x18000000
	JNE no
	XORL CX, CX
	XGETBV
	ANDL $6, AX
	CMPL AX, $6
	JNE no
	MOVL $7, AX
	XORL CX, CX
	CPUID
	TESTL $0x20, BX // AVX2
	JZ no
	MOVB $1, ret+0(FP)

no:
	RET
