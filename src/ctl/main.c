/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>

#include "ctl/ctl.h"

int main(int argc, char **argv)
{
	/* Pages of a large fleet are millions of small pieces, in which glibc would look for
	 * neighbours to join again and again: a quarter of the time of a list. */
	(void)mallopt(M_MXFAST, 0);
	return ctl_main(argc, argv);
}
