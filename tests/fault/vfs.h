/* SPDX-License-Identifier: Apache-2.0
 *
 * A file system for sqlite that fails, or ends the process, at its Nth operation; and memory
 * that runs out. Counts writes, truncations, syncs, deletions, openings for writing, and growth
 * of the shared memory; reads and looks only where they may fail.
 *
 * What ends the process also decides what is on the disk: a write is not before its file's sync.
 */
#ifndef TESTS_FAULT_VFS_H
#define TESTS_FAULT_VFS_H

#include <stdbool.h>

#define VFS_NAME "fault"

enum vfs_mode {
	VFS_COUNT,	/* nothing happens */
	VFS_FAIL,	/* this one operation fails with an I/O error ... */
	VFS_FAIL_STAYS, /* ... and so does everything after it */
	VFS_FULL,	/* a write: no space; else an I/O error */
	VFS_TORN,	/* ends the process: half of this write is on the disk, and all before it */
	VFS_LOST,	/* ends the process: nothing is on the disk that was not synced */
	VFS_MIXED,	/* ends the process: some of it is, in any order */
};

enum { VFS_KILLED = 99 /* exit status */ };

void vfs_register(void); /* once; memory, too: before anything else of sqlite */

/* From now on the same random numbers come as each time, so that files can be compared. */
void chance_begin(void);

/* From now on; operation 0: none. */
void vfs_arm(enum vfs_mode mode, unsigned long operation);
/* Whether the operation came. */
bool vfs_disarm(void);
/* Since vfs_arm(). */
unsigned long vfs_operations(void);

/* The Nth allocation fails, of sqlite's or of ours. */
void memory_arm(unsigned long allocation);
bool memory_disarm(void);

#endif
