#include "textflag.h"
#include "go_asm.h"

// The first entry of each head's calibration table, in numbers of 4 bytes.
DATA tables<>+0(SB)/8, $0x0000020000000000
DATA tables<>+8(SB)/8, $0x0000060000000400
DATA tables<>+16(SB)/8, $0x00000a0000000800
DATA tables<>+24(SB)/8, $0x00000e0000000c00
GLOBL tables<>(SB), RODATA|NOPTR, $32

// ENTRY2 loads the entries of two heads, whose places stand at rows+at.
#define ENTRY2(at, x) \
	MOVL    (at)(DX), AX; \
	MOVL    (at+4)(DX), BX; \
	VMOVSD  (R8)(AX*4), x; \
	VMOVHPD (R8)(BX*4), x, x

// PAIRS zips rows a and b, whose halves are of heads 0 to 3 and 4 to 7.
#define PAIRS(a, b, low, high) \
	VUNPCKLPS b, a, low; \
	VUNPCKHPS b, a, high

// FOURS makes of pairs of rows 0 and 1 and of 2 and 3 rows of a head each.
#define FOURS(a, b, low, high) \
	VSHUFPS $0x44, b, a, low; \
	VSHUFPS $0xee, b, a, high

// EIGHTS writes heads h and h+4 of 8 posts.
#define EIGHTS(a, b, h) \
	VPERM2F128 $0x20, b, a, Y15; \
	VMOVUPS    Y15, (64*h)(R9); \
	VPERM2F128 $0x31, b, a, Y15; \
	VMOVUPS    Y15, (64*(h+4))(R9)

// func finishAVX2(f *fast, sums *[MaxHeads]int32, inv *float32, n int, rows *[block][MaxHeads]float32, out *[MaxHeads][block]float32, least *[MaxHeads]float32, reached *[block]uint8)
// Requires: AVX2
TEXT ·finishAVX2(SB), NOSPLIT, $0-64
	MOVQ         f+0(FP), AX
	MOVQ         sums+8(FP), SI
	MOVQ         inv+16(FP), DI
	MOVQ         n+24(FP), CX
	MOVQ         rows+32(FP), DX
	VMOVUPS      fast_scale(AX), Y8
	VMOVUPS      fast_bias(AX), Y9
	VMOVUPS      fast_low(AX), Y10
	VMOVUPS      fast_step(AX), Y11
	LEAQ         fast_table(AX), R8
	MOVL         $0x437f0000, BX     // 255, the last entry
	VMOVD        BX, X12
	VPBROADCASTD X12, Y12
	VXORPS       Y13, Y13, Y13
	VMOVDQU      tables<>(SB), Y14
	MOVQ         least+48(FP), AX
	VMOVUPS      (AX), Y15
	MOVQ         reached+56(FP), R10

nextPost:
	VCVTDQ2PS    (SI), Y0
	VBROADCASTSS (DI), Y1
	VMULPS       Y1, Y0, Y0
	VMULPS       Y8, Y0, Y0
	VADDPS       Y9, Y0, Y0         // the logit
	VSUBPS       Y10, Y0, Y0
	VMULPS       Y11, Y0, Y0        // where in the table
	VMAXPS       Y13, Y0, Y0        // 0 for what is no number
	VMINPS       Y12, Y0, Y0
	VCVTTPS2DQ   Y0, Y1
	VCVTDQ2PS    Y1, Y2
	VSUBPS       Y2, Y0, Y0
	VPADDD       Y1, Y1, Y1
	VPADDD       Y14, Y1, Y1
	VMOVDQU      Y1, (DX)
	ENTRY2(0, X2)
	ENTRY2(8, X3)
	ENTRY2(16, X4)
	ENTRY2(24, X5)
	VINSERTF128  $1, X4, Y2, Y2
	VINSERTF128  $1, X5, Y3, Y3
	VSHUFPS      $0x88, Y3, Y2, Y4
	VSHUFPS      $0xdd, Y3, Y2, Y5
	VMULPS       Y5, Y0, Y0
	VADDPS       Y4, Y0, Y0
	VMOVUPS      Y0, (DX)
	VCMPPS       $0x0d, Y15, Y0, Y1 // not less
	VMOVMSKPS    Y1, AX
	MOVB         AX, (R10)
	INCQ         R10
	ADDQ         $32, SI
	ADDQ         $4, DI
	ADDQ         $32, DX
	DECQ         CX
	JNE          nextPost

	// By head, 8 posts at a time.
	MOVQ n+24(FP), CX
	MOVQ rows+32(FP), DX
	MOVQ out+40(FP), R9

nextEight:
	VMOVUPS (DX), Y0
	VMOVUPS 32(DX), Y1
	VMOVUPS 64(DX), Y2
	VMOVUPS 96(DX), Y3
	VMOVUPS 128(DX), Y4
	VMOVUPS 160(DX), Y5
	VMOVUPS 192(DX), Y6
	VMOVUPS 224(DX), Y7
	PAIRS(Y0, Y1, Y8, Y9)
	PAIRS(Y2, Y3, Y10, Y11)
	PAIRS(Y4, Y5, Y12, Y13)
	PAIRS(Y6, Y7, Y14, Y15)
	FOURS(Y8, Y10, Y0, Y1)
	FOURS(Y9, Y11, Y2, Y3)
	FOURS(Y12, Y14, Y4, Y5)
	FOURS(Y13, Y15, Y6, Y7)
	EIGHTS(Y0, Y4, 0)
	EIGHTS(Y1, Y5, 1)
	EIGHTS(Y2, Y6, 2)
	EIGHTS(Y3, Y7, 3)
	ADDQ    $256, DX
	ADDQ    $32, R9
	SUBQ    $8, CX
	JGT     nextEight
	VZEROUPPER
	RET
