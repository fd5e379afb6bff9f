/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>

const char *err_text(int err)
{
	switch (err) {
	case 0:
		return "ok";
#define ERR_CASE(name, value, word, text)                                                          \
	case value:                                                                                \
		return text;
		ERR_LIST(ERR_CASE)
#undef ERR_CASE
	default:
		return "unknown error";
	}
}

const char *err_word(int err)
{
	switch (err) {
	case 0:
		return "ok";
#define ERR_CASE(name, value, word, text)                                                          \
	case value:                                                                                \
		return word;
		ERR_LIST(ERR_CASE)
#undef ERR_CASE
	default:
		return "unknown";
	}
}

int err_from_errno(int errno_value)
{
	switch (errno_value) {
	case 0:
		return 0;
	case ENOMEM:
		return ERR_NOMEM;
	case EINVAL:
		return ERR_INVAL;
	case ENOENT:
	case ENOTDIR:
		return ERR_NOENT;
	case EEXIST:
		return ERR_EXIST;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case EROFS:
		return ERR_READONLY;
	case ENOSPC:
	case EDQUOT:
		return ERR_FULL;
	case EBUSY:
	case EAGAIN:
	case EADDRINUSE:
		return ERR_BUSY;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	default:
		return ERR_IO;
	}
}

bool err_is_fault(int err)
{
	switch (err) {
	case ERR_NOMEM:
	case ERR_IO:
	case ERR_FULL:
	case ERR_CORRUPT:
	case ERR_DENIED:
	case ERR_READONLY:
	case ERR_MOVED:
		return true;
	default:
		return false;
	}
}
