#include "textflag.h"
#include "go_asm.h"

// func prefetchBuckets(table *uint64, buckets *uint32, n int)
TEXT ·prefetchBuckets(SB), NOSPLIT, $0-24
	MOVQ table+0(FP), SI
	MOVQ buckets+8(FP), DI
	MOVQ n+16(FP), CX
	LEAQ (DI)(CX*4), DX

next:
	MOVL       (DI), AX
	PREFETCHT0 (SI)(AX*8)
	ADDQ       $4, DI
	CMPQ       DI, DX
	JNE        next
	RET

// func prefetchWords(cache *[2]cached, words *key, n int)
TEXT ·prefetchWords(SB), NOSPLIT, $0-24
	MOVQ cache+0(FP), SI
	MOVQ words+8(FP), DI
	MOVQ n+16(FP), CX

next:
	MOVL       key_slot(DI), AX
	SHLQ       $6, AX
	PREFETCHT0 (SI)(AX*1)
	ADDQ       $key__size, DI
	DECQ       CX
	JNE        next
	RET

// Where the even and the odd heads of a word go.
DATA inOrder<>+0(SB)/8, $0x0000000400000000
DATA inOrder<>+8(SB)/8, $0x0000000500000001
DATA inOrder<>+16(SB)/8, $0x0000000600000002
DATA inOrder<>+24(SB)/8, $0x0000000700000003
GLOBL inOrder<>(SB), RODATA|NOPTR, $32

// func addAVX512(table *uint64, buckets *uint32, nb int, cache *[2]cached, words *key, nw int, sums *[MaxHeads]int32) (found int)
// Requires: AVX2, AVX512F, AVX512VL, AVX512DQ
TEXT ·addAVX512(SB), NOSPLIT, $0-64
	MOVQ table+0(FP), SI
	MOVQ buckets+8(FP), DI
	MOVQ nb+16(FP), CX
	MOVQ cache+24(FP), R8
	MOVQ words+32(FP), R10
	MOVQ nw+40(FP), R12
	MOVQ sums+48(FP), R13

	// Buckets: 8 bytes, each a weight + 128, are 8 lanes.
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	MOVQ  CX, R9
	SHLQ  $7, R9
	SUBQ  $2, CX
	JLT   lastBucket

twoBuckets:
	MOVL      (DI), AX
	MOVL      4(DI), BX
	VPMOVZXBD (SI)(AX*8), Y3
	VPMOVZXBD (SI)(BX*8), Y4
	VPADDD    Y3, Y1, Y1
	VPADDD    Y4, Y2, Y2
	ADDQ      $8, DI
	SUBQ      $2, CX
	JGE       twoBuckets

lastBucket:
	ADDQ      $2, CX
	JEQ       words
	MOVL      (DI), AX
	VPMOVZXBD (SI)(AX*8), Y3
	VPADDD    Y3, Y1, Y1

words:
	XORL R11, R11

	// Words: the two keys of a set are compared at once. Of the lanes, 0 and 1,
	// and 4 and 5 are keys; the sums, each + 1<<15, stand behind them.
nextWord:
	CMPQ            R11, R12
	JGE             done
	MOVL            key_slot(R10), AX
	SHLQ            $6, AX
	VBROADCASTI64X2 (R10), Z5
	VPCMPEQQ        (R8)(AX*1), Z5, K1
	ADDQ            R8, AX
	KMOVB           K1, DX
	MOVL            DX, BX
	SHRL            $1, BX
	ANDL            DX, BX
	ANDL            $0x11, BX
	JEQ             done
	ANDL            $0x10, BX
	VPMOVZXWD       16(AX)(BX*2), Y6
	VPADDD          Y6, Y0, Y0
	ADDQ            $key__size, R10
	INCQ            R11
	JMP             nextWord

done:
	VMOVDQU      inOrder<>(SB), Y7
	VPERMD       Y0, Y7, Y0
	VPADDD       Y2, Y1, Y1
	VPADDD       Y1, Y0, Y0
	MOVQ         R11, AX
	SHLQ         $15, AX
	ADDQ         R9, AX
	VPBROADCASTD AX, Y1
	VPSUBD       Y1, Y0, Y0
	VPADDD       (R13), Y0, Y0
	VMOVDQU      Y0, (R13)
	MOVQ         R11, found+56(FP)
	VZEROUPPER
	RET

// The first entry of each head's calibration table, in numbers of 4 bytes.
DATA tables<>+0(SB)/8, $0x0000020000000000
DATA tables<>+8(SB)/8, $0x0000060000000400
DATA tables<>+16(SB)/8, $0x00000a0000000800
DATA tables<>+24(SB)/8, $0x00000e0000000c00
GLOBL tables<>(SB), RODATA|NOPTR, $32

// func finishAVX2(f *fast, sums *[MaxHeads]int32, inv *float32, n int, out *[MaxHeads]float32)
// Requires: AVX2
TEXT ·finishAVX2(SB), NOSPLIT, $0-40
	MOVQ         f+0(FP), AX
	MOVQ         sums+8(FP), SI
	MOVQ         inv+16(FP), DI
	MOVQ         n+24(FP), CX
	MOVQ         out+32(FP), R9
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

nextPost:
	VCVTDQ2PS    (SI), Y0
	VBROADCASTSS (DI), Y1
	VMULPS       Y1, Y0, Y0
	VMULPS       Y8, Y0, Y0
	VADDPS       Y9, Y0, Y0  // the logit
	VSUBPS       Y10, Y0, Y0
	VMULPS       Y11, Y0, Y0 // where in the table
	VMAXPS       Y13, Y0, Y0 // 0 for what is no number
	VMINPS       Y12, Y0, Y0
	VCVTTPS2DQ   Y0, Y1
	VCVTDQ2PS    Y1, Y2
	VSUBPS       Y2, Y0, Y0
	VPADDD       Y1, Y1, Y1
	VPADDD       Y14, Y1, Y1
	VPCMPEQD     Y3, Y3, Y3
	VXORPS       Y4, Y4, Y4
	VGATHERDPS   Y3, (R8)(Y1*4), Y4
	VPCMPEQD     Y3, Y3, Y3
	VXORPS       Y5, Y5, Y5
	VGATHERDPS   Y3, 4(R8)(Y1*4), Y5
	VMULPS       Y5, Y0, Y0
	VADDPS       Y4, Y0, Y0
	VMOVUPS      Y0, (R9)
	ADDQ         $32, SI
	ADDQ         $4, DI
	ADDQ         $32, R9
	DECQ         CX
	JNE          nextPost
	VZEROUPPER
	RET
