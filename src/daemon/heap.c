/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/heap.h"

#include <malloc.h>

void heap_keep(void)
{
	/* It fails for values out of range only. Large blocks stay with mmap from 128 KiB on: with
	 * one of these set the other no longer adapts itself. */
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
}
