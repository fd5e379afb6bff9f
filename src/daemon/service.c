/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/service.h"

int service_run(const struct conf *conf, const char *file, bool must_exist)
{
	(void)conf;
	(void)file;
	(void)must_exist;
	log_err("service error=unsupported what=\"this build has no rooms yet\"");
	return ERR_UNSUPPORTED;
}
