#include "textflag.h"
#include "go_asm.h"

// func prefetchT0(table unsafe.Pointer, index *uint32, n int, shift uint)
TEXT ·prefetchT0(SB), NOSPLIT, $0-32
	MOVQ table+0(FP), SI
	MOVQ index+8(FP), DI
	MOVQ n+16(FP), DX
	MOVQ shift+24(FP), CX
	LEAQ (DI)(DX*4), DX

next:
	MOVL       (DI), AX
	SHLQ       CX, AX
	PREFETCHT0 (SI)(AX*1)
	ADDQ       $4, DI
	CMPQ       DI, DX
	JNE        next
	RET

DATA iota8<>+0(SB)/8, $0x0000000100000000
DATA iota8<>+8(SB)/8, $0x0000000300000002
DATA iota8<>+16(SB)/8, $0x0000000500000004
DATA iota8<>+24(SB)/8, $0x0000000700000006
GLOBL iota8<>(SB), RODATA|NOPTR, $32

#define BROADCASTQ(x, z) MOVQ $x, AX; VPBROADCASTQ AX, z
#define BROADCASTB(x, z) MOVL $x, AX; VPBROADCASTB AX, z

// func locateAVX512(r *request)
// Requires: AVX2, AVX512F, AVX512VL, AVX512BW, AVX512DQ, POPCNT
TEXT ·locateAVX512(SB), NOSPLIT, $0-8
	MOVQ r+0(FP), R15
	MOVQ request_buckets(R15), R10
	MOVQ request_spans(R15), R11
	MOVQ request_slots(R15), R12
	MOVQ request_located(R15), R14
	XORL DX, DX                     // words
	XORL CX, CX                     // others

	BROADCASTQ(const_edgeToken, Z16)
	BROADCASTQ(const_hashRun, Z17)
	BROADCASTQ(const_mentionToken, Z18)
	BROADCASTQ(const_urlToken, Z19)
	BROADCASTB(const_kindWord, X20)
	BROADCASTB(const_kindHashtag, X21)
	BROADCASTB(const_kindMention, X22)
	BROADCASTB(const_kindURL, X23)
	BROADCASTB(const_kindEmail, X24)
	VMOVQ        request_shift(R15), X26
	BROADCASTQ(16, Z27)
	MOVL         $8, AX
	VPBROADCASTD AX, Y15

post:
	VMOVDQU32 iota8<>(SB), Y30
	VMOVDQA64 Z16, Z0          // the tokens before
	MOVQ      request_tokens(R15), AX
	MOVLQSX   (AX), SI
	MOVLQSX   4(AX), R13
	ADDQ      $4, AX
	MOVQ      AX, request_tokens(R15)
	SUBQ      SI, R13
	JLE       empty
	MOVQ      request_start(R15), DI
	LEAQ      (DI)(SI*4), DI
	MOVQ      request_end(R15), R8
	LEAQ      (R8)(SI*4), R8
	MOVQ      request_kind(R15), R9
	ADDQ      SI, R9
	MOVQ      request_hash(R15), AX
	LEAQ      (AX)(SI*8), SI

	// Z25 is the last place in the text that 16 bytes can be read at, or is below 0.
	MOVQ         request_text(R15), AX
	MOVLQSX      (AX), BX
	MOVQ         request_size(R15), AX
	SUBQ         $16, AX
	SUBQ         BX, AX
	VPBROADCASTQ AX, Z25
	VPBROADCASTQ BX, Z14

eight:
	// K1 is which lanes are tokens.
	MOVL  $0xff, AX
	CMPQ  R13, $8
	JGE   whole
	XCHGQ CX, R13
	MOVL  $1, AX
	SHLL  CX, AX
	DECL  AX
	XCHGQ CX, R13

whole:
	KMOVW       AX, K1
	VMOVDQU64.Z (SI), K1, Z1
	VMOVDQU8.Z  (R9), K1, X2
	VPCMPEQB    X2, X20, K1, K2
	VPCMPEQB    X2, X21, K1, K3
	KORW        K2, K3, K2       // words with pieces
	VPCMPEQB    X2, X22, K1, K3
	VMOVDQA64   Z18, K3, Z1
	VPCMPEQB    X2, X23, K1, K3
	VPCMPEQB    X2, X24, K1, K4
	KORW        K3, K4, K3
	VMOVDQA64   Z19, K3, Z1

	// Runs.
	VALIGNQ   $7, Z0, Z1, Z3
	VMOVDQA64 Z1, Z0
	VPROLQ    $29, Z3, Z3
	VPXORQ    Z1, Z3, Z3
	VPMULLQ   Z17, Z3, Z3
	VPSRLQ    X26, Z3, Z3
	VPMOVQD   Z3, (R10)
	POPCNTL   AX, AX
	LEAQ      (R10)(AX*4), R10

	// Tokens that are no words.
	KANDNW     K1, K2, K3
	VPSRLQ     X26, Z1, Z3
	VPMOVQD    Z3, Y3
	VPCOMPRESSD.Z Y3, K3, Y3
	VMOVDQU    Y3, (R10)
	KMOVW      K3, AX
	POPCNTL    AX, AX
	LEAQ       (R10)(AX*4), R10

	// Words of up to 16 bytes that can be read: K3.
	VPMOVZXDQ.Z (DI), K1, Z4
	VPMOVZXDQ.Z (R8), K1, Z5
	VPSUBQ      Z4, Z5, Z5
	VPCMPUQ     $2, Z27, Z5, K2, K3 // size <= 16
	VPCMPQ      $2, Z25, Z4, K3, K3 // start <= safe
	VPTESTMQ    Z5, Z5, K3, K3      // size > 0
	VPADDQ      Z14, Z4, Z4
	VPSLLQ      $32, Z5, Z5
	VPORQ       Z5, Z4, Z4          // spans of the buffer
	VPCOMPRESSQ.Z Z4, K3, Z6
	VMOVDQU64   Z6, (R11)(DX*8)
	VPSRLQ      $(64-const_cacheBits), Z1, Z6
	VPMOVQD     Z6, Y6
	VPCOMPRESSD.Z Y6, K3, Y6
	VMOVDQU     Y6, (R12)(DX*4)
	VPCOMPRESSD.Z Y30, K3, Y6
	MOVQ        request_wordTokens(R15), AX
	VMOVDQU     Y6, (AX)(DX*4)
	KMOVW       K3, AX
	POPCNTL     AX, AX
	ADDQ        AX, DX

	// Other words.
	KANDNW      K2, K3, K3
	KTESTB      K3, K3
	JEQ         noOthers
	VPCOMPRESSQ.Z Z4, K3, Z6
	MOVQ        request_longSpans(R15), AX
	VMOVDQU64   Z6, (AX)(CX*8)
	VPCOMPRESSD.Z Y30, K3, Y6
	MOVQ        request_longTokens(R15), AX
	VMOVDQU     Y6, (AX)(CX*4)
	VPSRLQ      $(64-const_longBits), Z1, Z6
	VPMOVQD     Z6, Y6
	VPCOMPRESSD.Z Y6, K3, Y6
	MOVQ        request_longSlots(R15), AX
	VMOVDQU     Y6, (AX)(CX*4)
	KMOVW       K3, AX
	POPCNTL     AX, AX
	ADDQ        AX, CX

noOthers:
	VPADDD       Y15, Y30, Y30
	ADDQ         $64, SI
	ADDQ         $32, DI
	ADDQ         $32, R8
	ADDQ         $8, R9
	SUBQ         $8, R13
	JGT          eight

	// The run of the last token, which is in lane R13+7, and the edge.
	ADDQ         $7, R13
	VPBROADCASTQ R13, Z3
	VPERMQ       Z0, Z3, Z3
	VPROLQ       $29, Z3, Z3
	VPXORQ       Z16, Z3, Z3
	VPMULLQ      Z17, Z3, Z3
	VPSRLQ       X26, Z3, Z3
	VMOVD        X3, (R10)
	ADDQ         $4, R10

empty:
	MOVQ R10, AX
	SUBQ request_buckets(R15), AX
	SHRQ $2, AX
	MOVQ AX, located_buckets(R14)
	MOVQ DX, located_words(R14)
	MOVQ CX, located_others(R14)
	ADDQ $located__size, R14
	ADDQ $4, request_text(R15)
	DECQ request_posts(R15)
	JNE  post
	VZEROUPPER
	RET

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

// Where the even and the odd heads of a word go.
DATA inOrder<>+0(SB)/8, $0x0000000400000000
DATA inOrder<>+8(SB)/8, $0x0000000500000001
DATA inOrder<>+16(SB)/8, $0x0000000600000002
DATA inOrder<>+24(SB)/8, $0x0000000700000003
GLOBL inOrder<>(SB), RODATA|NOPTR, $32

// func addAVX512(r *summing) (missing bool)
// Requires: AVX2, AVX512F, AVX512VL, AVX512BW, AVX512DQ, BMI2
TEXT ·addAVX512(SB), NOSPLIT, $0-9
	MOVQ    r+0(FP), R15
	MOVQ    summing_cache(R15), R8
	MOVQ    summing_spans(R15), R10
	MOVQ    summing_slots(R15), R14
	MOVQ    summing_bucket(R15), DI
	MOVQ    summing_word(R15), R11
	VMOVDQU inOrder<>(SB), Y7
	MOVQ    summing_post(R15), R13
	IMUL3Q  $located__size, R13, DX
	ADDQ    summing_located(R15), DX
	MOVQ    DX, R12
	SHLQ    $5, R13
	ADDQ    summing_sums(R15), R13
	MOVQ    R11, R9

addPost:
	// Buckets: 8 bytes, each a weight + 128, are 8 lanes.
	MOVQ  summing_table(R15), SI
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	MOVQ  located_buckets(R12), CX
	SUBQ  DI, CX
	MOVQ  CX, DX
	SHLQ  $7, DX
	SHLQ  $15, R9
	SUBQ  R9, DX                   // what the lanes are too much, but for the words up to the last
	MOVQ  DX, R9
	MOVQ  summing_buckets(R15), DX
	LEAQ  (DX)(DI*4), DX
	ADDQ  CX, DI
	SUBQ  $2, CX
	JLT   lastBucket

twoBuckets:
	MOVL      (DX), AX
	MOVL      4(DX), BX
	VPMOVZXBD (SI)(AX*8), Y3
	VPMOVZXBD (SI)(BX*8), Y4
	VPADDD    Y3, Y1, Y1
	VPADDD    Y4, Y2, Y2
	ADDQ      $8, DX
	SUBQ      $2, CX
	JGE       twoBuckets

lastBucket:
	ADDQ      $2, CX
	JEQ       words
	MOVL      (DX), AX
	VPMOVZXBD (SI)(AX*8), Y3
	VPADDD    Y3, Y1, Y1

words:
	MOVQ summing_buf(R15), SI
	MOVQ located_words(R12), CX

	// Words: the two keys of a set are compared at once. Of the lanes, 0 and 1,
	// and 4 and 5 are keys; the sums, each + 1<<15, stand behind them.
nextWord:
	CMPQ       R11, CX
	JGE        added
	MOVQ       (R10)(R11*8), BX
	MOVL       BX, DX
	SHRQ       $32, BX
	MOVL       $-1, AX
	BZHIL      BX, AX, BX
	KMOVW      BX, K1
	VMOVDQU8.Z (SI)(DX*1), K1, X5
	VSHUFI64X2 $0, Z5, Z5, Z5
	MOVL       (R14)(R11*4), AX
	SHLQ       $6, AX
	VPCMPEQQ   (R8)(AX*1), Z5, K1
	ADDQ       R8, AX
	KMOVB      K1, DX
	MOVL       DX, BX
	SHRL       $1, BX
	ANDL       DX, BX
	ANDL       $0x11, BX
	JEQ        added
	ANDL       $0x10, BX
	VPMOVZXWD  16(AX)(BX*2), Y6
	VPADDD     Y6, Y0, Y0
	INCQ       R11
	JMP        nextWord

added:
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
	CMPQ         R11, CX
	JLT          missing
	MOVQ         R11, R9
	ADDQ         $located__size, R12
	ADDQ         $32, R13
	INCQ         summing_post(R15)
	MOVQ         summing_post(R15), AX
	CMPQ         AX, summing_posts(R15)
	JLT          addPost
	MOVB         $0, missing+8(FP)
	VZEROUPPER
	RET

missing:
	MOVQ DI, summing_bucket(R15)
	MOVQ R11, summing_word(R15)
	MOVB $1, missing+8(FP)
	VZEROUPPER
	RET

// func addLongAVX512(cache *cachedLong, buf *byte, spans *uint64, slots *uint32, n int, sums *[MaxHeads]int32) (found int)
// Requires: AVX2, AVX512F, AVX512VL, AVX512BW, AVX512DQ, BMI2
TEXT ·addLongAVX512(SB), NOSPLIT, $0-56
	MOVQ  cache+0(FP), R8
	MOVQ  buf+8(FP), SI
	MOVQ  spans+16(FP), R10
	MOVQ  slots+24(FP), R14
	MOVQ  n+32(FP), R12
	MOVQ  sums+40(FP), R13
	XORL  R11, R11
	MOVQ  $-1, R9
	VPXOR Y0, Y0, Y0

	// The first 6 of a line's 8 lanes are the word.
nextLong:
	MOVQ       (R10)(R11*8), BX
	MOVL       BX, DX
	SHRQ       $32, BX
	CMPQ       BX, $const_longBytes
	JHI        longDone
	BZHIQ      BX, R9, BX
	JEQ        longDone
	KMOVQ      BX, K1
	VMOVDQU8.Z (SI)(DX*1), K1, Z5
	MOVL       (R14)(R11*4), AX
	SHLQ       $6, AX
	ADDQ       R8, AX
	VPCMPEQQ   (AX), Z5, K1
	KMOVB      K1, DX
	ANDL       $0x3f, DX
	CMPL       DX, $0x3f
	JNE        longDone
	VPMOVZXWD  const_longBytes(AX), Y6
	VPADDD     Y6, Y0, Y0
	INCQ       R11
	CMPQ       R11, R12
	JLT        nextLong

longDone:
	VMOVDQU      inOrder<>(SB), Y7
	VPERMD       Y0, Y7, Y0
	MOVQ         R11, AX
	SHLQ         $15, AX
	VPBROADCASTD AX, Y1
	VPSUBD       Y1, Y0, Y0
	VPADDD       (R13), Y0, Y0
	VMOVDQU      Y0, (R13)
	MOVQ         R11, found+48(FP)
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
