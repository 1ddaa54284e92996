// The instruction set that this unit is compiled for: a namespace, and a name for the table. The
// build defines it; an editor that opens a file alone sees the baseline.
#pragma once

#ifndef FASTBERT_ISA
#define FASTBERT_ISA baseline
#endif

#define FASTBERT_TEXT_(x) #x
#define FASTBERT_TEXT(x) FASTBERT_TEXT_(x)
