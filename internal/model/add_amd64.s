#include "textflag.h"
#include "go_asm.h"

// Where the even and the odd heads of a word go.
DATA inOrder<>+0(SB)/8, $0x0000000400000000
DATA inOrder<>+8(SB)/8, $0x0000000500000001
DATA inOrder<>+16(SB)/8, $0x0000000600000002
DATA inOrder<>+24(SB)/8, $0x0000000700000003
GLOBL inOrder<>(SB), RODATA|NOPTR, $32

// What turns weights that are each + 1<<15 into numbers.
DATA signs<>+0(SB)/8, $const_wordZero
DATA signs<>+8(SB)/8, $const_wordZero
DATA signs<>+16(SB)/8, $const_wordZero
DATA signs<>+24(SB)/8, $const_wordZero
GLOBL signs<>(SB), RODATA|NOPTR, $32

// ENTRY adds the buckets of entry i behind DX to Y0, and writes that.
#define ENTRY(i) \
	MOVL      (parts_runs+4*i)(DX), AX; \
	MOVL      (parts_alone+4*i)(DX), BX; \
	VPMOVZXBD (SI)(AX*8), Y1; \
	VPMOVZXBD (SI)(BX*8), Y2; \
	VPADDD    Y1, Y2, Y1; \
	VPADDD    Y1, Y0, Y0; \
	VMOVDQU   Y0, (parts_entrySums+32*(1+i))(DI)

// func addAVX512(r *summing)
// Requires: AVX2, AVX512F, AVX512VL, AVX512BW, AVX512DQ, BMI2
TEXT ·addAVX512(SB), NOSPLIT, $0-8
	MOVQ   r+0(FP), R15
	MOVQ   summing_parts(R15), R13
	MOVQ   summing_posts(R15), R12
	IMUL3Q $located__size, R12, R12
	LEAQ   (parts_ends-located__size)(R13)(R12*1), R12 // the last post's

	// Entries, by 4: there is room for more than there are.
	MOVQ  summing_table(R15), SI
	MOVL  located_entries(R12), CX
	MOVQ  R13, DX
	MOVQ  R13, DI
	VPXOR Y0, Y0, Y0
	CMPQ  summing_longest(R15), $2
	JGT   triples
	SUBQ  $1, CX
	JLT   words

entry:
	ENTRY(0)
	ENTRY(1)
	ENTRY(2)
	ENTRY(3)
	ADDQ $16, DX
	ADDQ $128, DI
	SUBQ $4, CX
	JGE  entry

	// Words: both of a set are compared and taken at once, as all or nothing.
words:
	MOVQ    summing_buf(R15), SI
	MOVQ    summing_cache(R15), R8
	LEAQ    parts_masks(R13), R9
	VMOVDQU signs<>(SB), Y7
	VPXOR   Y0, Y0, Y0
	MOVQ    R13, DI
	MOVL    located_words(R12), R10
	XORL    CX, CX                      // missing
	XORL    R11, R11
	CMPL    R10, $0
	JEQ     longs

nextWord:
	MOVL           (parts_words+spotted_at)(R13)(R11*4), DX
	MOVWLZX        (parts_words+spotted_size)(R13)(R11*4), BX
	MOVL           (parts_words+spotted_line)(R13)(R11*4), AX
	VBROADCASTI128 (SI)(DX*1), Y1
	VPAND          (R9)(BX*1), Y1, Y1
	VPCMPEQQ       set_keys(R8)(AX*1), Y1, Y1
	VPSHUFD        $0x4e, Y1, Y2
	VPAND          Y2, Y1, Y1
	VMOVDQU        set_words(R8)(AX*1), Y3
	VPTERNLOGQ     $0x28, Y1, Y7, Y3                       // (Y3 ^ Y7) & Y1
	VMOVMSKPD      Y1, DX
	VEXTRACTI128   $1, Y3, X4
	VPOR           X4, X3, X3
	VPMOVSXWD      X3, Y3
	VPADDD         Y3, Y0, Y0
	VMOVDQU        Y0, (parts_wordSums+32)(DI)
	MOVL           R11, parts_missing(R13)(CX*4)
	CMPL           DX, $1
	ADCQ           $0, CX
	ADDQ           $32, DI
	INCQ           R11
	CMPL           R11, R10
	JLT            nextWord

	// Long words: the first 6 of a line's 8 lanes are the word.
longs:
	MOVQ  CX, summing_missing(R15)
	MOVQ  summing_long(R15), R8
	MOVQ  $-1, R9
	VPXOR Y0, Y0, Y0
	MOVQ  R13, DI
	XORL  CX, CX // missing
	XORL  R11, R11
	CMPL  located_longs(R12), $0
	JEQ   posts

nextLong:
	MOVL       (parts_longs+spotted_at)(R13)(R11*4), DX
	MOVWLZX    (parts_longs+spotted_size)(R13)(R11*4), BX
	SHRL       $const_sizeShift, BX
	LEAQ       -1(BX), AX
	CMPQ       AX, $const_longBytes
	JCC        unknown                                     // 0, or too long
	LEAQ       (DX)(BX*1), AX
	CMPQ       AX, summing_size(R15)
	JGT        unknown                                     // not in the buffer
	BZHIQ      BX, R9, BX
	KMOVQ      BX, K1
	VMOVDQU8.Z (SI)(DX*1), K1, Z1
	MOVL       (parts_longs+spotted_line)(R13)(R11*4), AX
	VPCMPEQQ   (R8)(AX*1), Z1, K1
	KMOVB      K1, DX
	ANDL       $0x3f, DX
	CMPL       DX, $0x3f
	JNE        unknown
	ADDQ       R8, AX
	VPXOR      const_longBytes(AX), X7, X1
	VPMOVSXWD  X1, Y1

addLong:
	VPADDD  Y1, Y0, Y0
	VMOVDQU Y0, (parts_longSums+32)(DI)
	ADDQ    $32, DI
	INCQ    R11
	CMPL    R11, located_longs(R12)
	JLT     nextLong

	// A post's sum is what the sums are more at its end than at its beginning.
posts:
	MOVQ    CX, (summing_missing+8)(R15)
	MOVQ    summing_sums(R15), SI
	MOVQ    summing_posts(R15), DI
	LEAQ    parts_ends(R13), R12
	VMOVDQU inOrder<>(SB), Y7
	VPXOR   Y4, Y4, Y4
	VPXOR   Y5, Y5, Y5
	VPXOR   Y6, Y6, Y6
	XORL    R10, R10
	MOVQ    summing_longest(R15), CX
	MOVL    $256, R14                   // an entry is of 2 buckets, or 3, each + 128
	MOVL    $384, AX
	CMPQ    CX, $2
	CMOVQGT AX, R14

nextPost:
	MOVL         located_entries(R12), AX
	MOVL         located_words(R12), BX
	MOVL         located_longs(R12), DX
	MOVQ         AX, R11
	IMULQ        R14, R11              // what the sums are too much
	MOVQ         R11, R9
	SUBQ         R10, R11
	MOVQ         R9, R10
	SHLQ         $5, AX
	SHLQ         $5, BX
	SHLQ         $5, DX
	VMOVDQU      parts_entrySums(R13)(AX*1), Y0
	VMOVDQU      parts_wordSums(R13)(BX*1), Y1
	VMOVDQU      parts_longSums(R13)(DX*1), Y2
	VPSUBD       Y5, Y1, Y3
	VPSUBD       Y6, Y2, Y8
	VPADDD       Y8, Y3, Y3
	VPERMD       Y3, Y7, Y3
	VPSUBD       Y4, Y0, Y8
	VPADDD       Y8, Y3, Y3
	VMOVDQA      Y0, Y4
	VMOVDQA      Y1, Y5
	VMOVDQA      Y2, Y6
	VPBROADCASTD R11, Y8
	VPSUBD       Y8, Y3, Y3
	VMOVDQU      Y3, (SI)
	ADDQ         $located__size, R12
	ADDQ         $32, SI
	DECQ         DI
	JNE          nextPost
	VZEROUPPER
	RET

	// A long word that is not in the cache.
unknown:
	MOVL    R11, (parts_missing+4*(const_entries+const_room))(R13)(CX*4)
	INCQ    CX
	VPXOR   Y1, Y1, Y1
	JMP     addLong

	// Entries of a model that has runs of three.
triples:
	SUBQ $1, CX
	JLT  words

triple:
	MOVL      parts_triples(DX), AX
	VPMOVZXBD (SI)(AX*8), Y1
	VPADDD    Y1, Y0, Y0
	ENTRY(0)
	ADDQ      $4, DX
	ADDQ      $32, DI
	SUBQ      $1, CX
	JGE       triple
	JMP       words
