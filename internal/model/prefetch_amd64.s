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
