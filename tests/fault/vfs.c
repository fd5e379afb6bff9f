/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is armed ---- */

static struct {
	enum vfs_mode mode;
	unsigned long at, count;
	bool armed, hit;
} vfs;

static bool kills(void)
{
	return vfs.mode == VFS_TORN || vfs.mode == VFS_LOST || vfs.mode == VFS_MIXED;
}

/* Counts one; true: this is it. */
static bool due(void)
{
	if (!vfs.armed)
		return false;
	vfs.count++;
	if (vfs.mode == VFS_FAIL_STAYS && vfs.hit)
		return true;
	if (vfs.count != vfs.at)
		return false;
	vfs.hit = true;
	return true;
}

void vfs_arm(enum vfs_mode mode, unsigned long operation)
{
	vfs.mode = mode;
	vfs.at = operation;
	vfs.count = 0;
	vfs.hit = false;
	vfs.armed = true;
}

bool vfs_disarm(void)
{
	vfs.armed = false;
	return vfs.hit;
}

unsigned long vfs_operations(void)
{
	return vfs.count;
}

/* ---- files ---- */

struct file {
	sqlite3_file base;
	sqlite3_file *real;
};

/* A write or truncation that is not on the disk yet, with what was there before. */
struct pending {
	struct pending *next; /* the one before it */
	sqlite3_file *real;
	sqlite3_int64 offset, size_before;
	int before_len, len; /* len -1: a truncation to offset */
	uint8_t *before, *data;
};

static struct pending *pending;

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct file *)f)->real;
}

static void pending_free(struct pending *p)
{
	free(p->before);
	free(p->data);
	free(p);
}

static void pending_forget(const sqlite3_file *real)
{
	for (struct pending **at = &pending; *at;) {
		struct pending *p = *at;
		if (p->real == real) {
			*at = p->next;
			pending_free(p);
		} else {
			at = &p->next;
		}
	}
}

static void pending_add(sqlite3_file *real, const void *data, int len, sqlite3_int64 offset)
{
	if (!vfs.armed || !kills())
		return;
	struct pending *p = calloc(1, sizeof(*p));
	sqlite3_int64 end;

	p->real = real;
	p->offset = offset;
	p->len = len;
	real->pMethods->xFileSize(real, &p->size_before);
	end = len < 0 ? p->size_before : offset + len;
	if (end > p->size_before)
		end = p->size_before;
	p->before_len = end > offset ? (int)(end - offset) : 0;
	p->before = malloc((size_t)p->before_len + 1);
	if (p->before_len)
		real->pMethods->xRead(real, p->before, p->before_len, offset);
	if (len >= 0) {
		p->data = malloc((size_t)len + 1);
		memcpy(p->data, data, (size_t)len);
	}
	p->next = pending;
	pending = p;
}

static void undo(const struct pending *p)
{
	sqlite3_file *f = p->real;

	f->pMethods->xTruncate(f, p->size_before);
	if (p->before_len)
		f->pMethods->xWrite(f, p->before, p->before_len, p->offset);
}

static void redo(const struct pending *p)
{
	sqlite3_file *f = p->real;

	if (p->len < 0)
		f->pMethods->xTruncate(f, p->offset);
	else
		f->pMethods->xWrite(f, p->data, p->len, p->offset);
}

/* Which of them had come to the disk: drawn from the operation's number. */
static void redo_some(struct pending *p, uint32_t *seed)
{
	if (!p)
		return;
	redo_some(p->next, seed); /* the older first */
	*seed = *seed * 1664525u + 1013904223u;
	if (*seed >> 31)
		redo(p);
}

static void die(void)
{
	uint32_t seed = (uint32_t)vfs.at * 2654435761u;

	if (vfs.mode != VFS_TORN)
		for (const struct pending *p = pending; p; p = p->next)
			undo(p);
	if (vfs.mode == VFS_MIXED)
		redo_some(pending, &seed);
	_exit(VFS_KILLED);
}

/* An operation that is not a write. 0: go on. */
static int other(int error)
{
	if (!due())
		return SQLITE_OK;
	if (kills())
		die();
	return error;
}

/* Reads are counted only where they may fail. */
static int look(int error)
{
	return kills() ? SQLITE_OK : other(error);
}

static int f_close(sqlite3_file *f)
{
	sqlite3_file *real = real_of(f);

	/* A closed file still has its writes in memory; who has it open again is another file. */
	int rc = real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
	pending_forget(real);
	sqlite3_free(real);
	((struct file *)f)->real = NULL;
	return rc;
}

static int f_read(sqlite3_file *f, void *dst, int len, sqlite3_int64 offset)
{
	int rc = look(SQLITE_IOERR_READ);

	return rc ? rc : real_of(f)->pMethods->xRead(real_of(f), dst, len, offset);
}

static int f_write(sqlite3_file *f, const void *src, int len, sqlite3_int64 offset)
{
	sqlite3_file *real = real_of(f);

	if (due()) {
		if (vfs.mode == VFS_TORN)
			real->pMethods->xWrite(real, src, len / 2, offset);
		if (kills())
			die();
		return vfs.mode == VFS_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	pending_add(real, src, len, offset);
	return real->pMethods->xWrite(real, src, len, offset);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc = other(SQLITE_IOERR_TRUNCATE);

	if (rc)
		return rc;
	pending_add(real_of(f), NULL, -1, size);
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
	int rc = other(SQLITE_IOERR_FSYNC);

	if (rc)
		return rc;
	(void)flags; /* it really is on a disk that is memory */
	pending_forget(real_of(f));
	return SQLITE_OK;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int f_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int f_reserved(sqlite3_file *f, int *ret)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int f_device(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
	int rc = extend ? other(SQLITE_IOERR_SHMSIZE) : look(SQLITE_IOERR_SHMMAP);

	return rc ? rc : real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, ret);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int f_shm_unmap(sqlite3_file *f, int remove)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods methods = {
	2,	    f_close,	   f_read,	f_write,   f_truncate, f_sync,	 f_size,
	f_lock,	    f_unlock,	   f_reserved,	f_control, f_sector,   f_device, f_shm_map,
	f_shm_lock, f_shm_barrier, f_shm_unmap, NULL,	   NULL,
};

/* ---- the file system ---- */

static sqlite3_vfs *below;

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct file *file = (struct file *)f;
	bool writes = flags & (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	int rc = writes ? other(SQLITE_CANTOPEN) : look(SQLITE_CANTOPEN);

	(void)v;
	memset(file, 0, sizeof(*file));
	if (rc)
		return rc;
	file->real = sqlite3_malloc(below->szOsFile);
	if (!file->real)
		return SQLITE_NOMEM;
	memset(file->real, 0, (size_t)below->szOsFile);
	rc = below->xOpen(below, name, file->real, flags, ret_flags);
	if (rc) {
		sqlite3_free(file->real);
		file->real = NULL;
		return rc;
	}
	file->base.pMethods = &methods;
	return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *v, const char *name, int sync)
{
	int rc = other(SQLITE_IOERR_DELETE);

	(void)v;
	return rc ? rc : below->xDelete(below, name, sync);
}

static int v_access(sqlite3_vfs *v, const char *name, int flags, int *ret)
{
	int rc = look(SQLITE_IOERR_ACCESS);

	(void)v;
	return rc ? rc : below->xAccess(below, name, flags, ret);
}

static int v_full(sqlite3_vfs *v, const char *name, int cap, char *dst)
{
	(void)v;
	return below->xFullPathname(below, name, cap, dst);
}

static int v_random(sqlite3_vfs *v, int len, char *dst)
{
	(void)v;
	return below->xRandomness(below, len, dst);
}

static int v_sleep(sqlite3_vfs *v, int us)
{
	(void)v;
	return below->xSleep(below, us);
}

static int v_time(sqlite3_vfs *v, double *ret)
{
	(void)v;
	return below->xCurrentTime(below, ret);
}

static int v_error(sqlite3_vfs *v, int len, char *dst)
{
	(void)v;
	return below->xGetLastError ? below->xGetLastError(below, len, dst) : 0;
}

/* ---- chance ---- */

static uint64_t chance;

ssize_t __wrap_getrandom(void *dst, size_t len, unsigned flags);

ssize_t __wrap_getrandom(void *dst, size_t len, unsigned flags)
{
	uint8_t *out = dst;

	(void)flags;
	for (size_t i = 0; i < len; i++) {
		chance = chance * 6364136223846793005u + 1442695040888963407u;
		out[i] = (uint8_t)(chance >> 56);
	}
	return (ssize_t)len;
}

void chance_begin(void)
{
	chance = 1;
	sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 1, NULL);
}

/* ---- memory ---- */

static struct {
	unsigned long at, count;
	bool armed, hit;
} memory;

static sqlite3_mem_methods real_memory;

/* The linker sends the store's own calls here (tests/fault/Makefile.inc). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool memory_due(void)
{
	if (!memory.armed || ++memory.count != memory.at)
		return false;
	memory.hit = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return memory_due() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return memory_due() ? NULL : __real_calloc(count, size);
}

static void *memory_get(int size)
{
	return memory_due() ? NULL : real_memory.xMalloc(size);
}

static void *memory_again(void *old, int size)
{
	return memory_due() ? NULL : real_memory.xRealloc(old, size);
}

void memory_arm(unsigned long allocation)
{
	memory.at = allocation;
	memory.count = 0;
	memory.hit = false;
	memory.armed = true;
}

bool memory_disarm(void)
{
	memory.armed = false;
	return memory.hit;
}

void vfs_register(void)
{
	static sqlite3_vfs v = {
		.iVersion = 1,
		.mxPathname = 1024,
		.zName = VFS_NAME,
		.xOpen = v_open,
		.xDelete = v_delete,
		.xAccess = v_access,
		.xFullPathname = v_full,
		.xRandomness = v_random,
		.xSleep = v_sleep,
		.xCurrentTime = v_time,
		.xGetLastError = v_error,
		.szOsFile = sizeof(struct file),
	};
	sqlite3_mem_methods m;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory))
		abort();
	m = real_memory;
	m.xMalloc = memory_get;
	m.xRealloc = memory_again;
	/* without a cache of small pieces every allocation can fail */
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &m) ||
	    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) || sqlite3_initialize())
		abort();
	below = sqlite3_vfs_find("unix");
	if (!below || sqlite3_vfs_register(&v, 0))
		abort();
}
