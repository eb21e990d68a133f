//go:build faults

#include "textflag.h"

// func install()
TEXT ·install(SB),NOSPLIT,$0-0
	MOVQ	runtime·vdsoClockgettimeSym(SB), AX
	CMPQ	AX, $0
	JEQ	none
	MOVQ	AX, ·kernel(SB)
	MOVQ	$·skewed(SB), AX
	MOVQ	AX, runtime·vdsoClockgettimeSym(SB)
none:
	RET

// skewed is clock_gettime(clock DI, *timespec SI) as C calls it, on the stack
// of the thread.
TEXT ·skewed(SB),NOSPLIT|NOFRAME,$0-0
	PUSHQ	DI
	PUSHQ	SI
	SUBQ	$8, SP // C wants the stack aligned to 16 bytes
	MOVQ	·kernel(SB), AX
	CALL	AX
	ADDQ	$8, SP
	POPQ	SI
	POPQ	DI
	CMPL	DI, $0 // CLOCK_REALTIME
	JNE	done
	MOVQ	·offset(SB), CX
	ADDQ	CX, 0(SI)
done:
	RET
